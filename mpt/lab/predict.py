"""The name under which prompts registered by version 0.1 call ``mpt.serve.predict``."""

from mpt.serve.predict import predict

__all__ = ["predict"]

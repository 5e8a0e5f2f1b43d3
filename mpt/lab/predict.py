"""Old name of ``mpt.serve.predict``, which prompts registered by version 0.1 import."""

from mpt.serve.predict import predict

__all__ = ["predict"]

"""The version of mpt."""

__version__ = "0.1.0"

"""Let the C library's allocator keep large blocks instead of giving them back each step."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT = 1 << 30


def keep_large_blocks() -> bool:
    """Ask glibc to reuse blocks up to 1 GiB; True if it will.

    A step allocates the same large tensors again and again. By default each is mapped afresh and
    its pages are faulted in once more, which made big packs on a CPU slower than small ones.
    """
    mallopt = _glibc("mallopt")
    return bool(mallopt and mallopt(_MMAP_THRESHOLD, _KEPT) and mallopt(_TRIM_THRESHOLD, _KEPT))


def give_back_free_memory() -> bool:
    """Ask glibc to return what is free to the system; True if there was something to return."""
    trim = _glibc("malloc_trim")
    return bool(trim and trim(0))


def _glibc(name: str) -> Callable[..., int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        return getattr(ctypes.CDLL("libc.so.6"), name)
    except (OSError, AttributeError):
        return None

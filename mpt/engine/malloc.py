"""The C library's allocator, told to keep large blocks instead of giving them back each step."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT = 1 << 30


def keep_large_blocks() -> bool:
    """Ask glibc to reuse blocks up to 1 GiB; True if it will.

    A step allocates the same large tensors again and again. By default each is mapped afresh and
    its pages are faulted in once more, which made big packs on a CPU slower than small ones.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _KEPT) and mallopt(_TRIM_THRESHOLD, _KEPT))

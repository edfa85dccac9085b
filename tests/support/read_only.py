"""A folder that not even root can write to, or enter."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BYPASS_PERMISSIONS = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, with which root ignores file permissions."""


@contextmanager
def read_only(folder: Path, mode: int = 0o555) -> Iterator[None]:
    """Restrict a folder to ``mode``, for root as well (in this thread)."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this thread
    original = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, original) == 0
    reduced = (ctypes.c_uint32 * 6)(*original)
    reduced[0] &= ~BYPASS_PERMISSIONS
    original_mode = folder.stat().st_mode
    folder.chmod(mode)
    assert libc.capset(header, reduced) == 0
    try:
        assert not os.access(folder, os.W_OK, effective_ids=True)
        yield
    finally:
        assert libc.capset(header, original) == 0
        folder.chmod(original_mode)

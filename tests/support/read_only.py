"""A folder that cannot be written, for root as well."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

WRITES_ANYWHERE = 1 << 1
"""CAP_DAC_OVERRIDE, the capability by which root passes over permissions."""


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Take from the folder, and for this thread from root, the right to write there."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this thread
    kept = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, kept) == 0
    dropped = (ctypes.c_uint32 * 6)(*kept)
    dropped[0] &= ~WRITES_ANYWHERE
    mode = folder.stat().st_mode
    folder.chmod(0o555)
    assert libc.capset(header, dropped) == 0
    try:
        assert not os.access(folder, os.W_OK, effective_ids=True)
        yield
    finally:
        assert libc.capset(header, kept) == 0
        folder.chmod(mode)

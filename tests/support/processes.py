"""Memory of this process."""

from pathlib import Path


def memory_bytes(field: str) -> int:
    """A size in ``/proc/self/status``: ``VmRSS``, the resident memory, or ``VmHWM``, its peak.

    ``getrusage`` would include the peak of the parent process.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in status if line.startswith(field)).split()[1]) << 10

"""What a process costs, as Linux counts it."""

import os
from pathlib import Path

MEGABYTE = 1_000_000
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """CPU time so far, of the process alone: user and system."""
    # The name may have spaces; it ends with the last bracket.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def rss_mb(pid: int) -> float:
    """Resident memory, in 10⁶ bytes."""
    return _status(pid, "VmRSS")


def peak_rss_mb(pid: int) -> float:
    """The most resident memory so far, in 10⁶ bytes."""
    return _status(pid, "VmHWM")


def machine() -> dict[str, str]:
    """What the figures were measured on, in general terms."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": str(os.cpu_count()),
        "memory": f"{memory / 2**30:.0f} GiB",
        "system": f"{os.uname().sysname} {os.uname().machine}",
    }


def _status(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / MEGABYTE
    return 0.0

"""How much memory is free, to refuse a scan before it is loaded rather than to die of it."""

from __future__ import annotations

import os
from pathlib import Path


def free_bytes() -> float:
    """Free memory in bytes as far as the system tells; infinite where it does not."""
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return float(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return float("inf")

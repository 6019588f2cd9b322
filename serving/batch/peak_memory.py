"""Plain: the most memory that this process has had since it was last asked to forget (Linux)."""

from __future__ import annotations

import re
from pathlib import Path

# proc(5): writing 5 sets the peak resident set size back to the present one.
_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


def forget_peak() -> bool:
    """Begin anew; False where the system does not let us, as in some containers."""
    try:
        _CLEAR.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def peak_bytes() -> int | None:
    """The peak since then, in bytes; None where the system does not say."""
    try:
        found = _PEAK.search(_STATUS.read_text(encoding="ascii"))
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None

"""Progress lines on the serial console, with the seconds since this process started.

Never a secret: callers pass names, counts and sizes only.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

_STARTTIME_FIELD = 19  # of what follows "(comm) " in proc(5) stat


def process_age_s() -> float:
    """Return the seconds since this process was made, the interpreter's start included."""
    fields = Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    started = int(fields[_STARTTIME_FIELD]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


def say(text: str) -> None:
    """Write one progress line."""
    sys.stdout.write(f"ringfence-agent: {text} ({process_age_s():.2f} s)\n")
    sys.stdout.flush()

"""The service's log: one JSON object a line, on standard error.

What a node sends never gets into it, apart from names that were checked; no secret does.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime


def note(event: str, **fields: str | int) -> None:
    """Write that ``event`` happened."""
    line = {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **fields}
    sys.stderr.write(json.dumps(line) + "\n")
    sys.stderr.flush()

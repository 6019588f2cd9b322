"""Looks at files in a process of its own, which watches what looking does. Run with ``-m``.

Arguments: a folder with files and ``names.json``, and a harmless file to warm up on. Writes a JSON
line: per file format, verdict, reason and seconds; the growth of the process in bytes; the events
of Python's audit hook while it looked; the libraries that were imported in the end.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from registry.errors import UnreadableArtifact
from registry.formats import HEAD_BYTES, sniff
from registry.scan import look

HANG_S = 10
# What models are made of: only whoever loads one needs it.
LIBRARIES = (
    "numpy",
    "scipy",
    "sklearn",
    "joblib",
    "pandas",
    "skops",
    "cloudpickle",
    "onnx",
    "pyarrow",
)


class Watch:
    """Notes every audit event while it is armed: a hook cannot be taken away again."""

    def __init__(self) -> None:
        self.is_armed, self.events = False, set[str]()
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.is_armed:
            first = repr(arguments[0])[:60] if arguments else ""
            self.events.add(f"{event} {first}")


def looked_at(content: bytes, filename: str, watch: Watch) -> list[tuple[str, str, str, float]]:
    """What sniffing says, and the look of both formats of pickles whatever it said."""
    found, begun = [], time.perf_counter()
    signal.alarm(HANG_S)
    watch.is_armed = True
    try:
        sniffed = sniff(content[:HEAD_BYTES], filename)
    except UnreadableArtifact:
        sniffed = ""
        found.append(("", "unreadable", "", time.perf_counter() - begun))
    for format in sorted({"joblib", "pickle", *([sniffed] if sniffed else [])}):
        begun = time.perf_counter()
        finding = look(io.BytesIO(content), len(content), format)
        json.dumps(finding.evidence)
        found.append((format, finding.verdict, finding.reason, time.perf_counter() - begun))
    watch.is_armed = False
    signal.alarm(0)
    return found


def resident_bytes() -> int:
    """The process's resident memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def peak_bytes() -> int:
    """The most that was ever resident. The usage of resources would count the parent's as well."""
    status = Path("/proc/self/status").read_text()
    told = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(told.split()[1]) * 1024


def main(folder: Path, harmless: Path) -> None:
    """Look at everything in the folder and tell."""
    watch = Watch()
    looked_at(harmless.read_bytes(), harmless.name, watch)
    watch.events.clear()
    names = json.loads((folder / "names.json").read_text())
    before, found = resident_bytes(), []
    for number, filename in enumerate(names):
        found.append(looked_at((folder / str(number)).read_bytes(), filename, watch))
    print(
        json.dumps(
            {
                "found": found,
                "grown_bytes": resident_bytes() - before,
                "peak_grown_bytes": peak_bytes() - before,
                "events": sorted(watch.events),
                "imported": [name for name in LIBRARIES if name in sys.modules],
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

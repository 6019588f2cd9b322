"""``make bench``: measures everything, or the parts that are named, and keeps the figures."""

from __future__ import annotations

import json
import platform
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.awake import Stolen, kept_awake
from benchmarks.parts import PARTS

RESULTS = Path(__file__).parent / "results"
LIBRARIES = ("django", "granian", "onnxruntime", "pyarrow", "scikit-learn", "numpy", "celery")
# Of processes that start there is always one with work, and the loops would only move them about.
NEVER_IDLE = {"starting"}
PEERS = ("bentoml", "fastapi", "litserve", "mlflow", "mlserver", "uvicorn")


def main(names: list[str]) -> int:
    """Run the parts; 2 for a part that is not known."""
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        print(f"No part {unknown[0]!r}; there are {', '.join(PARTS)}.", file=sys.stderr)
        return 2
    found = []
    for name in names or PARTS:
        with nullcontext() if name in NEVER_IDLE else kept_awake():
            stolen = Stolen()
            for ratio in PARTS[name]():
                print(ratio.line(), flush=True)
                found.append(ratio.to_json() | {"part": name, "stolen": stolen.part()})
                stolen = Stolen()
    RESULTS.mkdir(exist_ok=True)
    moment = datetime.now(UTC)
    path = RESULTS / f"{moment:%Y-%m-%dT%H%M%S}.json"
    made_with = {library: version(library) for library in LIBRARIES}
    document = {
        "at": moment.isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "libraries": made_with,
        "peers": _peer_versions(),
        "figures": found,
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    print(f"kept in {path}")
    return 0


def _peer_versions() -> dict[str, str]:
    """The pinned versions of what is measured beside us."""
    found = {}
    for path in sorted((Path(__file__).parent / "peers").glob("*.txt")):
        for line in path.read_text().splitlines():
            name, equals, rest = line.partition("==")
            if equals and name in PEERS:
                found[name] = rest.split()[0]
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

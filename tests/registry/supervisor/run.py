"""A supervisor as a program, for tests that kill it: `run.py FOLDER [WORD...]`."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from registry.supervisor.part import Part
from registry.supervisor.preflight import CannotStart, lock
from registry.supervisor.probes import file_appears
from registry.supervisor.supervisor import PartFailed, Supervisor

PROGRAM = str(Path(__file__).with_name("program.py"))


def main() -> None:
    folder = Path(sys.argv[1])
    (folder / "run").mkdir(exist_ok=True)
    try:
        held = lock(folder / "run" / "up.lock")
    except CannotStart as error:
        sys.exit(str(error))
    parts = []
    for name, needs in (("first", ()), ("second", ("first",))):
        place = folder / name
        place.mkdir(exist_ok=True)
        words = [word.removeprefix(f"{name}:") for word in sys.argv[2:] if word.startswith(name)]
        command = (sys.executable, "-I", PROGRAM, str(place), *words)
        ready = place / "ready"
        parts.append(Part(name, command, file_appears(ready), needs=needs, ready_file=ready))
    supervisor = Supervisor(
        parts,
        env=dict(os.environ),
        log_folder=folder,
        lock=held,
        on_ready=lambda: print("ready", flush=True),
    )
    try:
        supervisor.run()
    except PartFailed as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()

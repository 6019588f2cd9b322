"""A part for tests: `program.py FOLDER [WORD...]` writes FOLDER/ready and FOLDER/pid, then waits.

Words: `children` starts a grandchild and one that leaves the process group; `deaf` ignores
SIGTERM; `die` exits with code 3 before it is ready; `mute` never becomes ready.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

SLEEP = [sys.executable, "-I", "-S", "-c", "import signal; signal.pause()"]


def main() -> None:
    folder, words = Path(sys.argv[1]), sys.argv[2:]
    if "deaf" in words:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "die" in words:
        print("the reason of the death", file=sys.stderr)
        sys.exit(3)
    pids = [os.getpid()]
    if "children" in words:
        pids.append(subprocess.Popen(SLEEP).pid)
        pids.append(subprocess.Popen(SLEEP, start_new_session=True).pid)
    (folder / "pids").write_text(" ".join(map(str, pids)))
    print("started", flush=True)
    if "mute" not in words:
        (folder / "ready").touch()
    while True:
        signal.pause()


if __name__ == "__main__":
    main()

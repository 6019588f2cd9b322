"""Program: runs a command that gets SIGTERM when the process that started it dies, however it dies.

    python -I -S tether.py PARENT_PID COMMAND [ARGUMENT...]

The kernel keeps the request over ``exec``, so nothing of this program stays in memory. It is a
program of its own, and no ``preexec_fn``, because that runs Python between fork and exec.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask for the signal, look whether the parent is still there, become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    # It may have died before the request was made.
    if os.getppid() != parent:
        sys.exit(1)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]} cannot be started: {error.strerror}")


if __name__ == "__main__":
    main()

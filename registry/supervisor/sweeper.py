"""Program: ends the process groups that it was told of once its standard input ends.

    python -I -S sweeper.py < pipe      lines "+PGID" and "-PGID"

The supervisor holds the other end of the pipe and removes each group that it has ended itself. If
it is killed, the pipe ends with groups left: they get SIGTERM, and after a grace SIGKILL. The lock
of the state folder is inherited, so the next start waits until everything is gone.
"""

import os
import signal
import sys
import time

GRACE_S = 5.0


def main() -> None:
    """Read until the supervisor is gone, then sweep."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    sweep(groups, GRACE_S)


def sweep(groups: set[int], grace_s: float) -> None:
    """SIGTERM to all, then SIGKILL to what is left after the grace."""
    left = {group for group in groups if send(group, signal.SIGTERM)}
    deadline_s = time.monotonic() + grace_s
    while left and time.monotonic() < deadline_s:
        time.sleep(0.05)
        left = {group for group in left if send(group, 0)}
    for group in left:
        send(group, signal.SIGKILL)


def send(group: int, number: int) -> bool:
    """Whether the group existed to be signalled."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main()

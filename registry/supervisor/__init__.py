"""Starts the parts of one machine as child processes, watches them, and leaves none behind.

Plain floor: it knows commands, logs and probes, and nothing about what the parts do.

    supervisor.py   the loop: start in order, restart, stop
    part.py         what a part is, and the running child
    logs.py         a rotated file for each part, and standard error
    probes.py       does a part answer
    preflight.py    may we start at all: port, lock of the state folder
    tether.py       (program) ends its command when the parent is gone
    sweeper.py      (program) ends everything when the supervisor itself was killed
    processes.py    groups and descendants
"""

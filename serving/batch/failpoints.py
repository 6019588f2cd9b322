"""Plain: named steps at which a test can make the process die. Inert unless a test arms them.

Nothing is read from the environment or from settings: only code that imports this module and
calls ``arm`` changes anything, and in service nobody does.
"""

from __future__ import annotations

from collections.abc import Callable

STEPS = (
    "claim.leased",  # the lease is committed, nothing was read yet
    "score.first",  # the first rows have their answers
    "score.all",  # all rows have their answers, the file is not closed
    "write.closed",  # the temporary file is whole
    "rename.results",  # the results have their name, the rejects not yet
    "rename.all",  # both files have their names, no row names them
    "commit.fenced",  # inside the transaction: the chunk is done
    "finish.before",  # inside the transaction of the last chunk
    "finish.output",  # inside it: the output dataset exists
    "commit.before",  # inside it: all written, not committed
    "commit.after",  # committed, nothing else done
)

# Of a job with a sink, between "rename.all" and "commit.fenced".
SINK_STEPS = (
    "sink.before",  # the file is published, nothing is in the table
    "sink.written",  # inside the sink's transaction: the rows are in the table
    "sink.committed",  # the sink has them, the ledger does not know
)

# Of taking back a lease: inside the transaction, before anything is written.
REAP = "reap.before"

_hook: Callable[[str], None] | None = None


def arm(hook: Callable[[str], None] | None) -> None:
    """Have ``hook`` called with the name of each step; None disarms. For tests only."""
    global _hook
    _hook = hook


def reach(step: str) -> None:
    """Say that this step was reached."""
    if _hook is not None:
        _hook(step)

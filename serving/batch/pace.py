"""Plain: the times of the ledger: leases, heartbeats, budgets and the wait after a failure."""

from __future__ import annotations

from dataclasses import dataclass

# An error is the chunk's own, so three are enough. A lost lease says little about the chunk: a
# deploy or a machine that goes away takes several; only a chunk that keeps ending its worker
# comes to so many.
MAX_FAILURES = 3
MAX_LOSSES = 10
# After so many the compiled graph is suspected: it is run in the model host from then on.
LOSSES_UNGUARDED = 2


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things may take, in seconds.

    ``budget_s``: after this no further chunk is claimed in one go. ``chunk_s``: a chunk that needs
    longer is split; budget and chunk together stay below the time limit of the task. After its
    second lost lease it waits ``loss_wait_s``: the first says nothing about the chunk. Where
    something is away that all need, it is tried again after ``pause_s``, then twice that, at most
    each ``longest_pause_s``. A worker that is told to stop goes on with its chunk for ``grace_s``.
    """

    lease_s: float = 30.0
    budget_s: float = 60.0
    chunk_s: float = 90.0
    backoff_s: float = 5.0
    longest_backoff_s: float = 300.0
    loss_wait_s: float = 2.0
    pause_s: float = 5.0
    longest_pause_s: float = 60.0
    grace_s: float = 4.0

    @property
    def heartbeat_s(self) -> float:
        """Three heartbeats to a lease: two may fail."""
        return self.lease_s / 3

    def backoff(self, failures: int) -> float:
        """How long a chunk waits after its nth failure: 5, 20, 80 ... seconds; n from 1."""
        return min(self.backoff_s * 4.0 ** max(failures - 1, 0), self.longest_backoff_s)

    def loss_wait(self, losses: int) -> float:
        """How long a chunk waits after its nth loss; n from 1."""
        return 0.0 if losses <= 1 else self.loss_wait_s

    def pause(self, times: int) -> float:
        """How long to wait for what was away for the nth time: 5, 10, 20 ... seconds; n from 1."""
        return float(min(self.pause_s * 2.0 ** min(times - 1, 16), self.longest_pause_s))


# Of the house. Read where it is used, so that a test can have another one.
PACE = Pace()

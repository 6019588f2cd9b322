"""More models than places: each is loaded when it is asked, and no answer is another model's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np

from serving.runtimes.isolation.client import HostClient
from tests.drawing import amount, seed
from tests.serving.runtimes import misbehaving as does
from tests.serving.runtimes.hosts import artifact, drained, golden_of, rows, running

MODELS = 24
PLACES = 8
CLIENTS = 3
THREADS_OF_A_CLIENT = 2


def test_answers_are_of_the_model_that_was_asked_whatever_is_loaded_and_ended(
    tmp_path: Path,
) -> None:
    """Each model adds a number of its own; callers of several processes ask in a drawn order."""
    calls = amount(3000, short=120)
    opened: list[int] = []

    def ask(client: HostClient, number: int, value: float) -> float:
        spec, opener = artifact(b'{"offset": %d}' % (1000 * number), key=f"model {number}")
        golden = golden_of(does.Model(1000.0 * number), 1.0, 2.0)

        def open_artifact() -> BinaryIO:
            opened.append(number)
            return opener()

        answer = client.score(spec, open_artifact, rows(value), (), {}, 60.0, lambda: golden)
        return float(answer.blocks[0].arrays[0][0].as_py())

    def caller(which: int) -> int:
        draw = np.random.default_rng([seed(), which])
        client = clients[which % CLIENTS]
        for _ in range(calls // len(clients) // THREADS_OF_A_CLIENT):
            # Few are asked often and many seldom, as it is with models.
            number = int(min(draw.geometric(0.15), MODELS))
            value = float(draw.integers(1, 900))
            assert ask(client, number, value) == 1000 * number + value
        return which

    with running(tmp_path / "h.sock", is_warmed=False, max_children=PLACES) as host:
        clients = [HostClient(host.socket) for _ in range(CLIENTS)]
        with drained(host):
            with ThreadPoolExecutor(CLIENTS * THREADS_OF_A_CLIENT) as pool:
                list(pool.map(caller, range(CLIENTS * THREADS_OF_A_CLIENT)))
            status = host.client.status()
            for client in clients:
                client.close()
    assert len(status["children"]) <= PLACES
    assert status["loads"] - status["evictions"] == len(status["children"])
    assert status["evictions"] > 0
    assert set(opened) <= set(range(1, MODELS + 1))

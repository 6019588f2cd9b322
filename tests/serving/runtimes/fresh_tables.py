"""Drawn tables to fit fresh pipelines on: other rows, names and categories with every seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tests.serving.runtimes.pipelines import batch_of, matrix_batch, text_batch

ROWS = 90
ASKED = 25
WORDS = [
    *("fine", "poor", "late", "early", "broken", "perfect", "size", "colour", "refund"),
    *("again", "never", "once", "grün", "€5", "a+b"),
]
PLACES = ["Bergen", "Łódź", "Nice", "Kyoto", "", "St. John's", "x,y"]


@dataclass(frozen=True)
class Fresh:
    """A fitted estimator, what it is asked in process, and the same rows for the host."""

    estimator: Any
    x: Any
    batch: pa.RecordBatch


class Table:
    """One drawn data set in all the forms that people train on.

    What has no ``random_state`` draws from numpy's own state, which is seeded here as well.
    """

    def __init__(self, seed: int) -> None:
        np.random.seed(seed)
        self.rng = np.random.default_rng(seed)
        self.numbers = self.rng.normal(size=(ROWS, 5)) * self.rng.choice([0.1, 1, 100])
        signal = self.numbers[:, 0] - self.numbers[:, 1] + self.rng.normal(size=ROWS)
        ranks = signal.argsort().argsort()
        self.binary = (ranks > ROWS // 2).astype(int)
        self.three = ranks * 3 // ROWS
        self.names = np.array(["low", "mid", "high"], dtype=object)[self.three]
        self.amount = signal * 10 + 3
        self.positive = np.exp(signal / (np.abs(signal).max() + 1)) + 0.1
        self.both = np.column_stack([self.amount, self.positive])
        self.flags = np.column_stack([self.binary, (self.three == 1).astype(int)])

    def pick(self, *choices: Any) -> Any:
        """One of them."""
        return choices[int(self.rng.integers(len(choices)))]

    def named(self) -> pd.DataFrame:
        """Numbers with names."""
        return pd.DataFrame(self.numbers, columns=["a", "b (cm)", "c", "größe", "e"])

    def mixed(self, *, missing: bool = True) -> pd.DataFrame:
        """Numbers, texts, booleans and whole numbers, some of them missing."""
        rng = self.rng
        frame = pd.DataFrame(
            {
                "height": self.numbers[:, 0],
                "price [€]": rng.lognormal(2, 1, ROWS),
                "place": rng.choice(PLACES[: int(rng.integers(3, 8))], ROWS),
                "tier": rng.choice(["gold", "silver", "none"], ROWS),
                "visits": rng.integers(0, 30, ROWS),
                "is_new": rng.random(ROWS) < 0.4,
            }
        )
        if missing:
            frame.loc[rng.random(ROWS) < 0.15, "price [€]"] = np.nan
            frame.loc[rng.random(ROWS) < 0.15, "place"] = np.nan
        return frame

    def texts(self) -> list[str]:
        """Short reviews whose words go with ``names``."""
        favourites = [self.rng.permutation(WORDS)[:6] for _ in range(3)]
        return [
            " ".join([*self.rng.choice(favourites[k], 4), *self.rng.choice(WORDS, 3)])
            for k in self.three
        ]

    def on_matrix(self, estimator: Any, target: Any = None) -> Fresh:
        """Fitted without names."""
        asked = self.numbers[:ASKED]
        return Fresh(estimator.fit(self.numbers, target), asked, matrix_batch(asked))

    def on_names(self, estimator: Any, target: Any = None) -> Fresh:
        """Fitted on a frame of numbers."""
        return self.on_frame(estimator, self.named(), target)

    def on_mixed(self, estimator: Any, target: Any, *, missing: bool = True) -> Fresh:
        """Fitted on a frame of everything."""
        return self.on_frame(estimator, self.mixed(missing=missing), target)

    def on_frame(self, estimator: Any, frame: pd.DataFrame, target: Any = None) -> Fresh:
        """Fitted on that frame."""
        asked = frame[:ASKED]
        return Fresh(estimator.fit(frame, target), asked, batch_of(asked))

    def on_texts(self, estimator: Any, target: Any) -> Fresh:
        """Fitted on a list of texts."""
        texts = self.texts()
        asked = [*texts[: ASKED - 2], "", "unheard of"]
        return Fresh(estimator.fit(texts, target), np.array(asked, dtype=object), text_batch(asked))

"""A row is answered alike whoever's rows it is scored with: over models, cuts, types and outputs.

Labels and types are equal, numbers within what golden rows allow. Bit for bit equal are trees and
their ensembles, neighbours, kernels, scalers, encoders and texts; not always bit for bit, by some
units in the last place, is what multiplies matrices (linear models, networks, components, distances
to centres), since BLAS adds up in another order for another number of rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from serving.runtimes.base import Answer, available_outputs, batch_to_ipc
from serving.runtimes.golden import Golden, compare
from serving.runtimes.isolation.grouping import Scorer, are_rows_independent
from serving.runtimes.isolation.protocol import Frame
from serving.runtimes.isolation.wire import AnswerReader
from serving.runtimes.sklearn.model import SklearnModel
from tests.drawing import amount, seed
from tests.serving.runtimes.pipelines import CASES, Case

# Of these every bit is the same.
EXACT = (
    "boosting",
    "forest",
    "boosted",
    "neighbours",
    "naive bayes",
    "isolation forest",
    "scaler",
    "one-hot",
    "tf-idf",
    "ordinal and boosting",
    "imputed texts",
    "dicts",
)


def cuts_of(batch: pa.RecordBatch, draw: np.random.Generator) -> list[pa.RecordBatch]:
    """Requests of one to twenty rows each, some of them without a null that others have."""
    cuts, at = [], 0
    while at < batch.num_rows and len(cuts) < 12:
        count = min(int(draw.choice([1, 1, 1, 2, 3, 7, 20])), batch.num_rows - at)
        cuts.append(batch.slice(at, count))
        at += count
    order = draw.permutation(len(cuts))
    return [cuts[i] for i in order]


def frames_of(cuts: Sequence[pa.RecordBatch], kinds: Sequence[str]) -> list[Frame]:
    header = {"op": "score", "outputs": list(kinds), "params": {}}
    return [Frame(header, bytes(batch_to_ipc(cut))) for cut in cuts]


def types_of(answer: Answer) -> list[pa.DataType]:
    return [array.type for block in answer.blocks for array in block.arrays]


DRAWN = np.random.default_rng(seed()).choice(
    len(CASES), amount(len(CASES), short=10), replace=False
)


@pytest.mark.parametrize("case", [CASES[at] for at in sorted(DRAWN)], ids=lambda case: case.name)
def test_together_is_answered_as_alone(case: Case) -> None:
    model = SklearnModel(case.make())
    golden = Golden(case.batch, model.score(case.batch, case.kinds, {}))
    if not are_rows_independent(model, golden):
        assert case.name in ("float32",)  # which is scored alone in the host
        return
    scorer, reader = Scorer(model), AnswerReader()
    draw = np.random.default_rng(seed())
    offered = available_outputs(model.facts())
    exactly = {"rtol": 0.0, "atol": 0.0} if case.name in EXACT else {}
    for kinds in [(), offered, *((kind,) for kind in offered)]:
        for _ in range(amount(10, short=2)):
            frames = frames_of(cuts_of(case.batch, draw), kinds)
            alone = [reader.read(scorer.alone(frame)) for frame in frames]
            together = [reader.read(body) for body in scorer.together(frames)]
            for one, other in zip(alone, together, strict=True):
                assert compare(one, other, **exactly) is None
                assert types_of(one) == types_of(other)

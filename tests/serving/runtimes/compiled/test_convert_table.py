"""Which estimators compile and how close is what the docs say: every one, and every kind."""

from __future__ import annotations

import random

import pytest

from tests.drawing import IS_LONG, amount, seed
from tests.serving.runtimes.compiled.outcomes import ESTIMATORS, KINDS, names, outcome, told

# Drawn in every run, whatever else is: one of each family.
_ALWAYS = (
    "HistGradientBoostingClassifier", "LogisticRegression", "OneHotEncoder", "Pipeline",
    "RandomForestClassifier", "SimpleImputer", "StandardScaler",
)  # fmt: skip
# Slow to fit; `make test-long` has them.
_SLOW = {
    "LatentDirichletAllocation", "MeanShift", "LogisticRegressionCV", "DictionaryLearning",
    "MiniBatchDictionaryLearning", "RFECV", "TSNE", "TunedThresholdClassifierCV",
}  # fmt: skip


def drawn(table: str) -> list[str]:
    """All names in a long run, else a tenth of them and those that matter."""
    everyone = names(table)
    if IS_LONG:
        return everyone
    quick = [name for name in everyone if name not in _SLOW]
    some = random.Random(seed()).sample(quick, amount(len(quick)))
    return sorted({*some, *(name for name in _ALWAYS if name in everyone)})


@pytest.mark.parametrize("table", [ESTIMATORS, KINDS])
def test_the_docs_have_a_row_of_everything(table: str) -> None:
    assert list(told(table)) == names(table)


@pytest.mark.parametrize("name", drawn(ESTIMATORS))
def test_an_estimator_compiles_as_the_docs_say(name: str) -> None:
    found, written = outcome(ESTIMATORS, name), told(ESTIMATORS)[name]
    assert found.fits(written), f"found {found.row()}, the docs say {written.row()}"


@pytest.mark.parametrize("name", drawn(KINDS))
def test_a_kind_of_model_compiles_as_the_docs_say(name: str) -> None:
    found, written = outcome(KINDS, name), told(KINDS)[name]
    assert found.fits(written), f"found {found.row()}, the docs say {written.row()}"

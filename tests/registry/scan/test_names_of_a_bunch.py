"""A Bunch answers for its keys as for attributes: some of them would be obeyed."""

from __future__ import annotations

import io
import pickle
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression

from registry.scan import look

MEMORY = {"data": (0x414141, False), "shape": (1,), "typestr": "<f8", "version": 3}


def saved(key: Any, value: Any, protocol: int) -> bytes:
    model = VotingClassifier([("one", LogisticRegression())]).fit([[0.0], [1.0]], [0, 1])
    model.named_estimators_[key] = value
    file = io.BytesIO()
    joblib.dump(model, file, protocol=protocol)
    return file.getvalue()


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("__array_interface__", MEMORY),
        (np.str_("__array_interface__"), MEMORY),
        ("_private", 1),
        ("predict", np.log1p),
        (("a", "b"), 1),
    ],
    ids=str,
)
def test_a_key_that_passes_for_a_method_is_refused(key: Any, value: Any, protocol: int) -> None:
    content = saved(key, value, protocol)

    found = look(io.BytesIO(content), len(content), "joblib")

    assert (found.verdict, found.reason) == ("failed", "pickle-state")


def test_the_names_of_steps_pass() -> None:
    content = saved("my step, nº 2", LogisticRegression(), 4)

    assert look(io.BytesIO(content), len(content), "joblib").verdict == "passed"

"""Runtime for XGBoost's JSON and UBJSON files: its Booster on one thread.

A file that scikit-learn's wrapper wrote is answered as the wrapper answers (the best iteration of
early stopping, labels 0 to n - 1); any other file as ``Booster.predict`` does, with all trees.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from scipy.special import softmax

from registry.errors import CheckRefused
from registry.scan.xgboost_look import read_xgboost
from registry.scan.xgboost_trees import categories_of
from registry.signature.facts import ModelFacts
from serving.runtimes import boosted
from serving.runtimes.boosted import CLASSIFIER, BoostedModel, Feature, outputs_of

boosted.import_early("xgboost")

_ONE_THREAD = {"nthread": 1, "verbosity": 0}


def load(artifact: BinaryIO, format: str) -> XGBoostModel:
    """Open a booster from its bytes alone.

    Raises CheckRefused when the library is not installed or does not take the file.
    """
    del format
    xgboost = boosted.library("xgboost", "xgboost-cpu")
    content = artifact.read()
    booster = xgboost.Booster(params=_ONE_THREAD)
    try:
        booster.load_model(bytearray(content))
    except xgboost.core.XGBoostError as error:
        raise boosted.load_failed("XGBoost", error) from error
    booster.set_param(_ONE_THREAD)
    return XGBoostModel(xgboost, booster, content)


class XGBoostModel(BoostedModel):
    """A booster, its columns and what its objective answers."""

    def __init__(self, xgboost: Any, booster: Any, content: bytes) -> None:
        self._xgboost, self._booster = xgboost, booster
        learner = json.loads(booster.save_config())["learner"]
        self._objective = str(learner["objective"]["name"])
        self._types = booster.feature_types
        names = booster.feature_names
        width = int(booster.num_features())
        self._features = _features(names, self._types, width, content)
        # The wrapper's way differs from Booster.predict in the last bit for dart.
        kind = learner["gradient_booster"]["name"]
        self._is_in_place = booster.attr("scikit_learn") is not None and kind != "gblinear"
        self._trees = _iterations(booster) if self._is_in_place else (0, 0)
        param = learner["learner_model_param"]
        self._classes, targets = int(param["num_class"]), int(param["num_target"])
        self._facts = ModelFacts(
            estimator="xgboost.Booster",
            libraries={"xgboost": xgboost.__version__},
            methods=CLASSIFIER if self._is_classifier else ("predict",),
            outputs=self._outputs(targets),
            **boosted.input_facts(self._features, named=bool(names)),
        )

    @property
    def _is_classifier(self) -> bool:
        return self._objective in ("binary:logistic", "multi:softprob", "multi:softmax")

    def _outputs(self, targets: int) -> Any:
        if self._objective.startswith("multi:"):
            return outputs_of(1, "int64", tuple(range(self._classes)))
        if self._objective in ("binary:logistic", "binary:hinge"):
            return outputs_of(targets, "int64", (0, 1))
        return outputs_of(max(targets, self._classes), "float64", None)

    def answers(
        self, columns: Sequence[tuple[str, pa.Array]], wanted: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """See BoostedModel; numbers are float32, as XGBoost has them."""
        rows = boosted.matrix_of(columns, self._features, np.float32)
        answered: dict[str, np.ndarray] = {}
        if "decision" in wanted or self._objective == "multi:softmax":
            answered["decision"] = self._predict(rows, output_margin=True)
        if set(wanted) & {"prediction", "probabilities"}:
            given = self._predict(rows)
            answered["prediction"] = self._labels(given)
            if self._objective == "multi:softmax":
                answered["probabilities"] = softmax(answered["decision"], axis=1)
            elif self._is_classifier:
                one = given.ndim == 1
                answered["probabilities"] = np.vstack((1.0 - given, given)).T if one else given
        return answered

    def _predict(self, rows: np.ndarray, *, output_margin: bool = False) -> np.ndarray:
        if self._is_in_place:
            kind = "margin" if output_margin else "value"
            return np.asarray(
                self._booster.inplace_predict(
                    rows,
                    iteration_range=self._trees,
                    predict_type=kind,
                    validate_features=False,
                )
            )
        table = self._xgboost.DMatrix(
            rows,
            feature_names=self._booster.feature_names,
            feature_types=self._types,
            enable_categorical=True,
            nthread=1,
        )
        return np.asarray(
            self._booster.predict(table, output_margin=output_margin, iteration_range=self._trees)
        )

    def _labels(self, given: np.ndarray) -> np.ndarray:
        if self._objective == "multi:softprob":
            return np.asarray(np.argmax(given, axis=1))
        if self._objective in ("binary:logistic", "binary:hinge"):
            return np.where(given > 0.5, 1, 0)
        if self._objective == "multi:softmax":
            return given.astype(np.int64)
        return given


def _features(
    names: list[str] | None, types: list[str] | None, width: int, content: bytes
) -> tuple[Feature, ...]:
    """The columns. Categories are known since XGBoost 3.1; before it their codes are the input."""
    categories: list[Any] = [None] * width
    if types and "c" in types:
        booster = read_xgboost(content)["learner"]["gradient_booster"]
        model = booster.get("gbtree", booster)["model"]
        known = categories_of(model["cats"]) if "cats" in model else []
        if known:
            categories = [tuple(values) or None for values in known]
        if any(kind == "c" and not values for kind, values in zip(types, categories, strict=True)):
            raise CheckRefused(
                "categories-unknown",
                "The file has columns of categories and does not tell their values: XGBoost keeps"
                " them since its version 3.1, for models fitted on pandas categories. Save the"
                " model with that version, or encode the categories in a pipeline.",
            )
    return tuple(
        Feature(name, known)
        for name, known in zip(names or _numbered(width), categories, strict=True)
    )


def _numbered(width: int) -> list[str]:
    return [f"x{i}" for i in range(width)]


def _iterations(booster: Any) -> tuple[int, int]:
    """Up to the best iteration of early stopping; (0, 0) for all trees."""
    best = booster.attr("best_iteration")
    return (0, 0) if best is None else (0, int(best) + 1)

"""Runtime for LightGBM's text files: its Booster on one thread.

The labels of the scikit-learn wrapper are not in the file: a classifier answers 0 to n - 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from registry.scan.lightgbm_look import pandas_categories, read_header
from registry.signature.facts import ModelFacts
from serving.runtimes import boosted
from serving.runtimes.boosted import CLASSIFIER, BoostedModel, Feature, outputs_of

boosted.import_early("lightgbm")


def load(artifact: BinaryIO, format: str) -> LightGBMModel:
    """Open a booster from its text alone.

    Raises CheckRefused when the library is not installed or does not take the file.
    """
    del format
    lightgbm = boosted.library("lightgbm", "lightgbm")
    content = artifact.read()
    try:
        booster = lightgbm.Booster(model_str=content.decode())
    except (lightgbm.basic.LightGBMError, UnicodeDecodeError) as error:
        raise boosted.load_failed("LightGBM", error) from error
    return LightGBMModel(booster, content, lightgbm.__version__)


class LightGBMModel(BoostedModel):
    """A booster, its columns and what its objective answers."""

    def __init__(self, booster: Any, content: bytes, version: str) -> None:
        self._booster = booster
        header, _ = read_header(content)
        self._objective = header.get("objective", "").partition(" ")[0]
        groups = int(header["num_tree_per_iteration"])
        names = header["feature_names"].split(" ")
        named = any(re.fullmatch(r"Column_\d+", name) is None for name in names)
        self._features = _features(
            names if named else [f"x{i}" for i in range(len(names))],
            header["feature_infos"].split(" "),
            pandas_categories(content),
            content,
        )
        self._facts = ModelFacts(
            estimator="lightgbm.Booster",
            libraries={"lightgbm": version},
            methods=CLASSIFIER if self._is_classifier else ("predict",),
            outputs=self._outputs(groups),
            **boosted.input_facts(self._features, named=named),
        )

    @property
    def _is_classifier(self) -> bool:
        return self._objective in ("binary", "multiclass", "multiclassova")

    def _outputs(self, groups: int) -> Any:
        if self._is_classifier:
            return outputs_of(1, "int64", tuple(range(max(groups, 2))))
        return outputs_of(groups, "float64", None)

    def answers(
        self, columns: Sequence[tuple[str, pa.Array]], wanted: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """See BoostedModel."""
        rows = boosted.matrix_of(columns, self._features, np.float64)
        answered: dict[str, np.ndarray] = {}
        if "decision" in wanted:
            answered["decision"] = self._predict(rows, raw_score=True)
        if set(wanted) & {"prediction", "probabilities"}:
            given = self._predict(rows)
            if self._is_classifier:
                given = np.vstack((1.0 - given, given)).T if given.ndim == 1 else given
                answered["probabilities"] = given
                given = np.argmax(given, axis=1)
            answered["prediction"] = given
        return answered

    def _predict(self, rows: np.ndarray, **options: Any) -> np.ndarray:
        return np.asarray(self._booster.predict(rows, num_threads=1, **options))


def _features(
    names: Sequence[str], told: Sequence[str], categories: list[list[Any]], content: bytes
) -> tuple[Feature, ...]:
    """The columns; those of pandas categories are the categorical ones, in their order.

    A column that training left out because it never changes tells nothing: the parameters do.
    """
    places = _categorical_places(content)
    if len(places) != len(categories):
        places = [at for at, one in enumerate(told) if one != "none" and not one.startswith("[")]
    known = dict(zip(places, categories, strict=True)) if len(places) == len(categories) else {}
    return tuple(
        Feature(name, tuple(known[at]) if at in known else None) for at, name in enumerate(names)
    )


def _categorical_places(content: bytes) -> list[int]:
    found = re.search(rb"\n\[categorical_feature: ([\d,]*)\]\n", content)
    return sorted(int(place) for place in found.group(1).split(b",") if place) if found else []

"""Runtime for scikit-learn objects kept as skops, joblib or pickle."""

from __future__ import annotations

import warnings
from typing import BinaryIO

from serving.runtimes.sklearn import allowed, facts
from serving.runtimes.sklearn.model import SklearnModel
from serving.runtimes.sklearn.opening import OPENERS

# Read now: a confined child has no files to read them from.
allowed.skops_types()
facts.libraries()


def load(artifact: BinaryIO, format: str) -> SklearnModel:
    """Open a fitted estimator.

    Raises CheckRefused when the file holds classes that are not opened here, cannot be read, or
    holds something that cannot score.
    """
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        estimator = OPENERS[format](artifact)
    return SklearnModel(estimator, trained_with=_version_of(heard))


def _version_of(heard: list[warnings.WarningMessage]) -> str | None:
    """The scikit-learn version of the trainer, which the library only tells when it differs."""
    for message in heard:
        version = getattr(message.message, "original_sklearn_version", None)
        if version is not None:
            return str(version)
    return None

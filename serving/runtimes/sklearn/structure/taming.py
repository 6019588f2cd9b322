"""Settings of a fitted object that would start threads, print, or write files while it answers."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator

from serving.runtimes.sklearn.structure.walk import walk

# Name -> what it is set to, wherever it stands and is neither None nor that value.
_SETTINGS: dict[str, Any] = {
    "n_jobs": 1,
    "_n_threads": 1,
    "n_threads": 1,
    "verbose": False,
    "memory": None,
}


def run_alone(estimator: Any) -> None:
    """One thread, no messages and no cache, in the estimator and in everything inside it.

    None stays: it means 1 already, and some estimators warn of any other value of ``n_jobs``.
    """
    for part, _ in walk(estimator):
        if isinstance(part, BaseEstimator):
            held = vars(part)
            for name, value in _SETTINGS.items():
                if held.get(name) is not None and held[name] is not value:
                    held[name] = value

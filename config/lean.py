"""Keeps what only models need out of the processes that never open a model.

pyarrow imports pandas by itself the first time that it makes an array (it asks whether what it got
is a series): a third of a second and 50 MiB in each web process, for nothing. And uploaded models
are opened in the model host alone, so an import of their libraries anywhere else is a mistake.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

# Set by `manage.py up` and `manage.py part` for web, worker and beat.
VARIABLE = "MODELYARD_LEAN"
REFUSED = frozenset({"pandas", "sklearn", "skops"})


class Refuse(MetaPathFinder):
    """Answers an import of these packages as if they were not installed."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None for every other module: the next finder looks."""
        if name in REFUSED:
            raise ModuleNotFoundError(f"{name} is for the model host only", name=name)
        return None


def refuse_model_libraries() -> None:
    """From now on, in this process and those that it forks."""
    if not any(isinstance(finder, Refuse) for finder in sys.meta_path):
        sys.meta_path.insert(0, Refuse())

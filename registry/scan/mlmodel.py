"""Plain: the file ``MLmodel`` of an MLflow folder: strict YAML, its flavors, its inputs.

Followed: MLflow's model format, https://mlflow.org/docs/latest/ml/model/ (written by 1.x to 3.x).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from registry.scan.finding import Refused, shown

MAX_BYTES = 1 << 20
DEPTH_MAX = 24
EVENTS_MAX = 50_000
PYTHON = "python_function"
_NUMBER_MAX_CHARS = 64
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(:[0-9]+)+(\.[0-9_]*)?")


@dataclass(frozen=True, slots=True)
class Flavor:
    """Where the folder keeps the model, and as which of our formats it is opened."""

    key: str
    path: str
    format: str


def read_mlmodel(body: bytes) -> dict[str, Any]:
    """The parsed file. Raises Refused for what is no plain YAML, anchors included."""
    try:
        text = body.decode()
        _check_events(text)
        told = yaml.safe_load(text)
    except (UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as fault:
        raise malformed(f"MLmodel is no plain YAML: {shown(fault, 120)}") from None
    if not isinstance(told, dict) or not isinstance(told.get("flavors"), dict):
        raise malformed("MLmodel names no flavors")
    return told


def _check_events(text: str) -> None:
    """Nothing that grows when it is read: no anchors, no aliases, no tags; bounded depth."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise malformed("MLmodel uses anchors or aliases")
        if getattr(event, "tag", None) is not None:
            raise malformed("MLmodel uses tags")
        if isinstance(event, yaml.ScalarEvent) and _is_slow_number(event):
            raise malformed("MLmodel has a number with colons")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH_MAX or number > EVENTS_MAX:
            raise malformed("MLmodel is nested too deep, or too long")


def _is_slow_number(event: yaml.ScalarEvent) -> bool:
    """YAML 1.1 counts ``1:30`` to the base of 60, in time that grows with the square."""
    is_long = event.style is None and len(event.value) > _NUMBER_MAX_CHARS
    return is_long and _BASE_60.fullmatch(event.value) is not None


def flavor_of(told: dict[str, Any]) -> Flavor:
    """The one flavor that is opened here. Raises Refused ``mlflow-flavor`` for any other."""
    flavors = {str(name): entry for name, entry in told["flavors"].items()}
    for name, entry in flavors.items():
        if not isinstance(entry, dict):
            raise malformed(f"the flavor {shown(name)} is no object")
        if entry.get("code") is not None:
            raise _foreign("the folder brings code of its own (code_paths)")
    loader = flavors.get(PYTHON, {}).get("loader_module")
    known = [name for name in flavors if name in _READERS]
    alien = sorted(set(flavors) - set(_READERS) - {PYTHON})
    if alien or len(known) != 1:
        named = ", ".join(shown(name) for name in (alien or sorted(flavors))[:3])
        raise _foreign(f"the flavor is {named}")
    if loader not in (None, f"mlflow.{known[0]}"):
        raise _foreign(f"it is loaded by {shown(loader)}")
    return _READERS[known[0]](flavors[known[0]])


def _sklearn(entry: dict[str, Any]) -> Flavor:
    written = entry.get("serialization_format") or "pickle"
    formats = {"pickle": "pickle", "cloudpickle": "pickle", "skops": "skops"}
    if written not in formats:
        raise _foreign(f"the serialization format is {shown(written)}")
    return Flavor("sklearn", _path(entry, "pickled_model"), formats[written])


def _native(key: str) -> Callable[[dict[str, Any]], Flavor]:
    def read(entry: dict[str, Any]) -> Flavor:
        path = _path(entry, "data")
        written = entry.get("serialization_format") or entry.get("save_format")
        if path.endswith((".pkl", ".skops", ".pickle")) or written in ("pickle", "cloudpickle"):
            what = f"it holds a Python object of {key} instead of {key}'s own file"
            raise _foreign(f"{what}; give save_model the booster")
        return Flavor(key, path, key)

    return read


_READERS: dict[str, Callable[[dict[str, Any]], Flavor]] = {
    "sklearn": _sklearn,
    "onnx": _native("onnx"),
    "xgboost": _native("xgboost"),
    "lightgbm": _native("lightgbm"),
    "catboost": _native("catboost"),
}


def _path(entry: dict[str, Any], key: str) -> str:
    path = entry.get(key)
    if not isinstance(path, str) or not path:
        raise malformed(f"the flavor has no {key}")
    return path.removeprefix("./")


def malformed(how: str) -> Refused:
    """The refusal of a folder that MLflow would not have written."""
    return Refused("mlflow-malformed", f"The MLflow folder is refused: {how}")


def _foreign(how: str) -> Refused:
    return Refused("mlflow-flavor", f"The MLflow model cannot be opened here: {how}")

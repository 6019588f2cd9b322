"""A fitted estimator -> a file of a format that the service takes.

skops first: it says what is inside and runs nothing when it is read. joblib where skops cannot:
such a file runs code when it is loaded, so the service looks at it harder and a reviewer may have
to approve it. Nothing here reads a file that was not written a moment ago by this process.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelyard.errors import CannotSave
from modelyard.native import native_format, save_native
from modelyard.optional import have, need

# Roots whose classes the service can know. Anything else is the user's own.
_LIBRARIES = frozenset(
    {"builtins", "catboost", "collections", "datetime", "functools", "lightgbm", "numpy"}
    | {"operator", "pandas", "scipy", "sklearn", "xgboost", "_loss"}
)
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class SavedModel:
    """A model file. ``notes`` say what the user should know of the way that was taken."""

    path: Path
    format: str | None
    notes: tuple[str, ...] = ()


def save_estimator(estimator: Any, folder: Path, *, format: str | None = None) -> SavedModel:
    """Write the estimator into ``folder``.

    ``format`` is ``skops``, ``joblib`` or None for the first of them that can. An ONNX model
    object is written as it is, a model of XGBoost, LightGBM or CatBoost as its own library's
    file. CannotSave says why and what to do instead.
    """
    if _is_onnx(estimator):
        return _save_onnx(estimator, folder, format)
    native = native_format(estimator)
    if native is not None and format in (None, native):
        return SavedModel(save_native(estimator, folder, native), native)
    if format == "joblib":
        return _save_joblib(estimator, folder)
    if format not in (None, "skops"):
        raise CannotSave(
            f"An estimator is not written as {format!r} here. Write the file yourself and push "
            "its path, or leave the format out."
        )
    reason = _skops_cannot(estimator, folder / "model.skops")
    if reason is None:
        path = folder / "model.skops"
        return SavedModel(path, "skops", tuple(_own_classes(path)))
    if format == "skops":
        raise CannotSave(f"skops cannot save it: {reason}.")
    saved = _save_joblib(estimator, folder, because=reason)
    note = (
        f"Saved as joblib, not as skops: {reason}. A joblib file runs code when it is loaded, so "
        "the service reads it before, and may be set to wait for a reviewer. Columns given as a "
        "list, list(frame.columns), are what skops can save."
    )
    return SavedModel(saved.path, saved.format, (note,))


def _skops_cannot(estimator: Any, path: Path) -> str | None:
    """Write with skops and read it back; the reason when either fails, else None."""
    if not have("skops"):
        return "the package skops is not installed (pip install 'modelyard-client[models]')"
    skops = need("skops.io", "Saving as skops", extra="models")
    try:
        skops.dump(estimator, path)
        # Our own bytes of a moment ago: what they name is what the estimator is made of.
        skops.load(path, trusted=skops.get_untrusted_types(file=path))
    except Exception as exc:  # skops raises whatever the objects inside raise
        path.unlink(missing_ok=True)
        return _in_short(exc)
    return None


def _own_classes(path: Path) -> list[str]:
    skops = need("skops.io", "Saving as skops", extra="models")
    names = skops.get_untrusted_types(file=path)
    own = [name for name in names if name.split(".", maxsplit=1)[0] not in _LIBRARIES]
    if not own:
        return []
    shown = ", ".join(own[:_SHOWN]) + (", ..." if len(own) > _SHOWN else "")
    return [
        f"The model holds {shown}, which the service has probably never heard of and then "
        "refuses. Use the library's own classes, or export to ONNX and push that file."
    ]


def _save_joblib(estimator: Any, folder: Path, *, because: str | None = None) -> SavedModel:
    joblib = need("joblib", "Saving as joblib", extra="models")
    path = folder / "model.joblib"
    try:
        joblib.dump(estimator, path)
    except Exception as exc:  # pickle raises whatever the objects inside raise
        before = f"skops cannot save it: {because}. " if because else ""
        raise CannotSave(
            f"{before}joblib cannot save it: {_in_short(exc)}. Replace lambdas and local "
            "functions by named ones of a library, or export to ONNX and push that file."
        ) from exc
    return SavedModel(path, "joblib")


def _is_onnx(model: Any) -> bool:
    is_proto = type(model).__name__ == "ModelProto" and hasattr(model, "SerializeToString")
    return is_proto and type(model).__module__.startswith("onnx")


def _save_onnx(model: Any, folder: Path, format: str | None) -> SavedModel:
    if format not in (None, "onnx"):
        raise CannotSave(f"An ONNX model is not written as {format!r}.")
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return SavedModel(path, "onnx")


def _in_short(exc: Exception) -> str:
    """The first line of an exception, without its last dot."""
    text = str(exc).strip().split("\n", maxsplit=1)[0].rstrip(".")
    return f"{type(exc).__name__}: {text}" if text else type(exc).__name__

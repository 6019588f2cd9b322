"""Plain: one question for every format: what is in this file, and may it be opened further.

Runs in a process that is thrown away. Every read has a cap, and whatever goes wrong is a refusal
with a reason: nothing passes because a check could not be made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

from registry.scan.catboost_look import look_at_catboost
from registry.scan.edition import gate_version
from registry.scan.finding import Finding, Refused
from registry.scan.lightgbm_look import look_at_lightgbm
from registry.scan.mlflow_look import look_at_mlflow
from registry.scan.onnx_look import look_at_onnx
from registry.scan.pickle_look import look_at_pickle
from registry.scan.skops_look import look_at_skops
from registry.scan.xgboost_look import look_at_xgboost

Look = Callable[[BinaryIO, int, dict[str, Any]], Finding]
_LOOKS: dict[str, Look] = {
    "skops": look_at_skops,
    "onnx": look_at_onnx,
    "joblib": look_at_pickle,
    "pickle": look_at_pickle,
    "xgboost": look_at_xgboost,
    "lightgbm": look_at_lightgbm,
    "catboost": look_at_catboost,
    "mlflow": look_at_mlflow,
}
# What a file that defies a reader is refused as.
_UNREADABLE = {
    "skops": "zip-damaged",
    "onnx": "onnx-malformed",
    "xgboost": "xgboost-malformed",
    "lightgbm": "lightgbm-malformed",
    "catboost": "catboost-malformed",
    "mlflow": "mlflow-malformed",
}
_BUGS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)


def look(file: BinaryIO, size: int, format: str) -> Finding:
    """The finding on ``size`` bytes of ``file`` as ``format``, a key of the table of formats.

    Never raises on account of the file's content; KeyError for a format that is none.
    """
    read = _LOOKS[format]
    evidence: dict[str, Any] = {"format": format, "size_bytes": size}
    evidence["gate_version"] = gate_version()
    try:
        if not size:
            raise Refused("empty-file", "The file is empty")
        file.seek(0)
        return read(file, size, evidence)
    except Refused as refused:
        return refused.finding(evidence)
    except (*_BUGS, MemoryError, OSError) as bug:
        # A hole in a reader is no way in.
        reason = _UNREADABLE.get(format, "container-damaged")
        return Refused(reason, f"The file cannot be read ({type(bug).__name__})").finding(evidence)

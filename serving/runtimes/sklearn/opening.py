"""Opens skops, joblib and pickle bytes with our own list of types. Runs only in the model host.

skops: the file says which types it needs, our list says which of them may be built. joblib and
pickle execute code while they are read: only an unpickler with a restricted ``find_class`` is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

from skops import io as skops_io

from registry.errors import CheckRefused
from serving.runtimes.sklearn import allowed
from serving.runtimes.sklearn.unpickle import open_joblib, open_pickle

_REMEDY = (
    "Export the model to ONNX, or replace the step by one that scikit-learn ships (a"
    " FunctionTransformer with a numpy function, for instance)."
)


def open_skops(artifact: BinaryIO) -> Any:
    """The object in a skops file.

    Raises CheckRefused ``skops-untrusted-type`` with the types that are not on our list.
    """
    try:
        needed = skops_io.get_untrusted_types(file=artifact)
    except Exception as error:
        raise _unreadable(error) from error
    refused = [name for name in needed if name not in allowed.skops_types()]
    if refused:
        raise CheckRefused(
            "skops-untrusted-type",
            f"The file needs {_listed(refused)}, which is not opened here. {_REMEDY}",
            types=refused[:50],
        )
    try:
        artifact.seek(0)
        return skops_io.load(artifact, trusted=needed)
    except Exception as error:
        raise _unreadable(error) from error


def _guarded(opener: Callable[[BinaryIO], Any]) -> Callable[[BinaryIO], Any]:
    def open_it(artifact: BinaryIO) -> Any:
        try:
            return opener(artifact)
        except allowed.NotAllowed as error:
            raise CheckRefused(
                "pickle-untrusted-global",
                f"The file needs {error}, which is not opened here. {_REMEDY}",
                types=[str(error)],
            ) from error
        except CheckRefused:
            raise
        except Exception as error:
            raise _unreadable(error) from error

    return open_it


def _unreadable(error: Exception) -> CheckRefused:
    if isinstance(error, MemoryError):
        raise error
    return CheckRefused(
        "load-failed",
        f"The file cannot be opened: {type(error).__name__}: {str(error)[:200]}",
        exception=type(error).__name__,
    )


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


OPENERS: dict[str, Callable[[BinaryIO], Any]] = {
    "skops": open_skops,
    "joblib": _guarded(open_joblib),
    "pickle": _guarded(open_pickle),
}

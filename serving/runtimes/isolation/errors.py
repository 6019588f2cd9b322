"""What can go wrong in the model host, and how it crosses the socket.

    ModelFailed 503               without Retry-After
    ├── ModelRaised               the model raised on valid rows
    ├── ModelDied                 crash, deadline: the process ended
    ├── ModelOutOfMemory
    ├── ModelNotLoaded            the stored artifact does not load here
    │   └── GoldenDiffers         it loads and answers its golden rows differently
    └── ModelSuspended            died too often: with Retry-After
    Overloaded 503
    ├── HostUnavailable           no model host answers on the socket
    └── HostBusy                  it answers and has no room

``str()`` is what a caller is told and hides internals; ``evidence`` is for checks and logs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from registry.errors import CheckRefused, InvalidField, ModelFailed, Overloaded
from serving.runtimes.isolation.protocol import storable

MESSAGE_MAX_CHARS = 500
EVIDENCE_MAX_BYTES = 64 * 1024
MAX_WAIT_S = 120
_REASON = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


class HostError(ModelFailed):
    """Base of the model host's own failures of a model. ``evidence`` never reaches a caller."""

    def __init__(
        self,
        detail: str,
        evidence: Mapping[str, Any] | None = None,
        *,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail, retry_after_s=retry_after_s)
        self.evidence: dict[str, Any] = dict(evidence or {})


class ModelRaised(HostError):
    """The model raised on a batch that fits the signature; ``evidence`` has the exception."""


class ModelDied(HostError):
    """The model's process ended: ``evidence["cause"]`` is ``deadline``, or the signal's name."""


class ModelOutOfMemory(HostError):
    """The batch or the load needed more memory than one model may have."""


class ModelNotLoaded(HostError):
    """The artifact does not load in this host; ``evidence`` has ``reason`` and ``message``."""


class GoldenDiffers(ModelNotLoaded):
    """The loaded model answers its golden rows differently: ``evidence`` says where and how."""


class ModelSuspended(HostError):
    """The model's process died again and again: not started before ``retry_after_s``."""


class HostUnavailable(Overloaded):
    """No model host answers on the socket."""


class HostBusy(Overloaded):
    """The model host has no room, or the model's queue was not reached in time."""


class RequestExpired(Exception):
    """A request was still queued in the child when its deadline had passed."""


def to_wire(error: BaseException) -> dict[str, Any]:
    """An error as JSON; ``from_wire`` makes the same error of it in the client."""
    told: dict[str, Any] = storable(_told(error))
    if len(json.dumps(told)) > EVIDENCE_MAX_BYTES:
        told["evidence"] = {"evidence": "too long to be shown"}
    return told


def _told(error: BaseException) -> dict[str, Any]:
    if isinstance(error, CheckRefused):
        message = str(error)[:MESSAGE_MAX_CHARS]
        evidence = dict(error.evidence)
        return {
            "kind": "refused",
            "reason": error.reason,
            "message": message,
            "evidence": evidence,
        }
    if isinstance(error, InvalidField):
        return {"kind": "invalid", "message": error.detail, "pointer": error.pointer}
    if isinstance(error, GoldenDiffers):
        return {"kind": "golden", "message": error.detail, "evidence": error.evidence}
    if isinstance(error, MemoryError):
        return {"kind": "memory", "message": _text(error)[:MESSAGE_MAX_CHARS]}
    if isinstance(error, RequestExpired):
        return {"kind": "expired"}
    evidence = {
        "exception": type(error).__name__,
        "message": _text(error)[:MESSAGE_MAX_CHARS],
    }
    return {"kind": "raised", "evidence": evidence}


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # the model's own exception class may do as it likes
        return ""


def from_wire(wire: Mapping[str, Any]) -> Exception:
    """The error that the host or a child told of."""
    make = _MAKERS.get(str(wire.get("kind")), _raised)
    return make(wire)


def _evidence(wire: Mapping[str, Any]) -> dict[str, Any]:
    found = wire.get("evidence")
    return dict(found) if isinstance(found, Mapping) else {}


def _said(wire: Mapping[str, Any], member: str) -> str:
    return str(wire.get(member, ""))[:MESSAGE_MAX_CHARS]


def _refused(wire: Mapping[str, Any]) -> Exception:
    """The reason is the name of a check's outcome: anything else is not from our code."""
    reason = _said(wire, "reason")
    evidence = {str(k): v for k, v in _evidence(wire).items() if k != "problems"}
    if not _REASON.fullmatch(reason):
        reason = "load-failed"
    return CheckRefused(reason, _said(wire, "message"), **evidence)


def _raised(wire: Mapping[str, Any]) -> Exception:
    return ModelRaised("The model raised an error on these rows.", _evidence(wire))


def _died(wire: Mapping[str, Any]) -> Exception:
    evidence = _evidence(wire)
    if evidence.get("cause") == "deadline":
        return ModelDied("The model did not answer in time.", evidence)
    return ModelDied("The model's process ended while it worked on the request.", evidence)


def _suspended(wire: Mapping[str, Any]) -> Exception:
    wait = wire.get("retry_after_s")
    seconds = min(max(int(wait), 1), MAX_WAIT_S) if isinstance(wait, int | float) else MAX_WAIT_S
    return ModelSuspended(
        "The model has failed too often in the last minute and is suspended for a while.",
        _evidence(wire),
        retry_after_s=seconds,
    )


_MAKERS: dict[str, Callable[[Mapping[str, Any]], Exception]] = {
    "raised": _raised,
    "died": _died,
    "suspended": _suspended,
    "refused": lambda wire: _refused(wire),
    "invalid": lambda wire: InvalidField(_said(wire, "message"), pointer=_said(wire, "pointer")),
    "golden": lambda wire: GoldenDiffers(_said(wire, "message"), _evidence(wire)),
    "memory": lambda wire: ModelOutOfMemory(
        "The model needed more memory than it may have.", {"message": _said(wire, "message")}
    ),
    "expired": lambda _: HostBusy("The model was busy until the deadline.", retry_after_s=1),
    "busy": lambda wire: HostBusy(_said(wire, "message"), retry_after_s=1),
}

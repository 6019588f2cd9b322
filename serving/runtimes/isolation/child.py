"""A child of the model host: holds one model and answers the connections that it is handed.

It runs in the process that the parent forked, opens nothing by name, and ends by ``os._exit``.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from registry.errors import CheckRefused
from registry.formats import FORMATS
from registry.scan import look
from registry.signature.facts import ModelFacts
from serving.runtimes import load_runtime
from serving.runtimes.base import LoadedModel
from serving.runtimes.golden import Golden, compare
from serving.runtimes.isolation import compiling, protocol
from serving.runtimes.isolation.board import Board
from serving.runtimes.isolation.confine import Confinement
from serving.runtimes.isolation.desk import Desk, Operation, end_after
from serving.runtimes.isolation.errors import GoldenDiffers, to_wire
from serving.runtimes.isolation.grouping import Scorer, are_rows_independent
from serving.runtimes.isolation.protocol import ModelSpec, ProtocolError

_HASH_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a child is made for.

    ``control`` is its end of the pair that it shares with the parent. ``golden`` are the bytes of
    golden rows, descriptors are None where there is nothing. ``together_from``: the monotonic time
    from which requests may be answered together.
    """

    spec: ModelSpec
    control: socket.socket
    board: Board
    artifact_fd: int
    golden_fd: int | None
    load_timeout_s: float
    runtimes: Mapping[str, str]
    confinement: Confinement
    together_from: float = 0.0


def prepare(runtime: str, runtimes: Mapping[str, str], *, is_inspection: bool = False) -> None:
    """Import what will be needed, while files can still be read; in a warm host it is there.

    An inspection may be asked to compile.
    A runtime that is not there, or does not import, says so when the model is opened.
    """
    try:
        load_runtime(runtime, runtimes)
    except (ImportError, KeyError):
        return
    if is_inspection and runtime in compiling.RUNTIMES:
        compiling.import_early()


def serve_pooled(given: Assignment) -> None:
    """Load, check the golden rows, then answer until the parent closes the control socket.

    A failed load is told to the parent, who tells everybody that waits.
    """
    given.board.begin((), time.monotonic() + given.load_timeout_s)
    end_after(given.load_timeout_s)
    try:
        model = open_model(given)
        is_groupable = False
        if given.golden_fd is not None:
            golden = _golden_of(given.golden_fd)
            check_golden(model, golden)
            # A graph may do anything with the rows of a batch, and one row takes it no time.
            is_groupable = given.spec.runtime != "onnx" and are_rows_independent(model, golden)
    except BaseException as error:
        end_after(0)
        given.control.send(json.dumps({"failed": to_wire(error)}).encode())
        return
    end_after(0)
    given.board.ready()
    scorer = Scorer(model)
    Desk(
        given.control,
        given.board,
        {"score": scorer.alone},
        together=scorer.together if is_groupable else None,
        together_from=given.together_from,
    ).run()


def serve_inspection(given: Assignment) -> None:
    """Scan, load and score on demand for one caller; ends when the caller closes."""
    loaded: list[LoadedModel] = []

    def load(_: protocol.Frame) -> bytes:
        loaded[:] = [open_model(given)]
        return json.dumps(loaded[0].facts().to_json()).encode()

    def score_loaded(frame: protocol.Frame) -> Any:
        if not loaded:
            raise ProtocolError("score comes after load")
        return Scorer(loaded[0]).alone(frame)

    given.board.ready()
    operations: dict[str, Operation] = {
        "scan": lambda _: json.dumps(scan(given)).encode(),
        "load": load,
        "score": score_loaded,
        **compiling.operations(loaded),
    }
    Desk(given.control, given.board, operations, single=True).run()


def artifact_of(fd: int) -> BinaryIO:
    """The artifact as a file of its own, from its beginning."""
    os.lseek(fd, 0, os.SEEK_SET)
    return os.fdopen(os.dup(fd), "rb", buffering=_HASH_CHUNK)


def open_model(given: Assignment) -> LoadedModel:
    """The loaded model, its bytes checked against the digest of the spec. Raises CheckRefused."""
    _check_confined(given)
    with artifact_of(given.artifact_fd) as artifact:
        found = _sha256_of(artifact)
        if found != given.spec.sha256:
            raise CheckRefused(
                "artifact-changed",
                "The stored bytes are not those that were registered.",
                expected=given.spec.sha256,
                found=found,
            )
        artifact.seek(0)
        model = load_runtime(given.spec.runtime, given.runtimes).load(artifact, given.spec.format)
    _check_form(given.spec, model.facts())
    gc.collect()
    return model


def _check_confined(given: Assignment) -> None:
    """A format that executes code is opened only where it cannot reach beyond this process."""
    known = FORMATS.get(given.spec.format)
    if known is None or known.trust != "code" or given.confinement.level != "rlimits-only":
        return
    raise CheckRefused(
        "host-not-confined",
        f"Loading a {known.title} file executes code from it, and this model host cannot hold"
        f" that code in: {given.confinement.missing}. Run the model host on Linux 5.13 or newer"
        " and, in a container, with a profile that allows the landlock and seccomp calls; or save"
        " the model with skops or export it to ONNX.",
        layers=dict(given.confinement.layers),
    )


def _sha256_of(artifact: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := artifact.read(_HASH_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _check_form(spec: ModelSpec, facts: ModelFacts) -> None:
    if spec.input_form not in (None, facts.input_form):
        raise CheckRefused(
            "input-form-differs",
            f"The version was registered with the input form {spec.input_form}, the model takes"
            f" {facts.input_form} here.",
        )


def scan(given: Assignment) -> dict[str, Any]:
    """The verdict of the scan, as JSON."""
    with artifact_of(given.artifact_fd) as artifact:
        size = artifact.seek(0, os.SEEK_END)
        artifact.seek(0)
        finding = look(artifact, size, given.spec.format)
    return {
        "verdict": finding.verdict,
        "reason": finding.reason,
        "summary": finding.summary,
        "evidence": protocol.storable(finding.evidence),
    }


def _golden_of(fd: int) -> Golden:
    with artifact_of(fd) as stored:
        return Golden.from_bytes(stored.read())


def check_golden(model: LoadedModel, golden: Golden) -> None:
    """Score the golden rows and compare. Raises GoldenDiffers."""
    got = model.score(golden.inputs, golden.kinds, {})
    difference = compare(golden.answer, got)
    if difference is not None:
        raise GoldenDiffers(
            "The model answers its golden rows differently here than when it was registered.",
            {"reason": "golden-differs", "message": str(difference), **difference.to_json()},
        )

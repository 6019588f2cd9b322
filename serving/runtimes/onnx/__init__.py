"""Runtime for ONNX files (domains ai.onnx and ai.onnx.ml): onnxruntime on one thread."""

from __future__ import annotations

from typing import BinaryIO

import onnxruntime

from registry.errors import CheckRefused
from serving.runtimes.onnx.graph import read_classes
from serving.runtimes.onnx.model import OnnxModel

_QUIET = 4  # fatal messages only: everything else comes as an exception


def load(artifact: BinaryIO, format: str) -> OnnxModel:
    """Open a graph from its bytes alone, so that no other file is ever read.

    Raises CheckRefused when onnxruntime does not take it or its inputs cannot be served.
    """
    del format
    content = artifact.read()
    try:
        session = onnxruntime.InferenceSession(
            content, sess_options=_options(), providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime has an exception class per status, without a base
        raise CheckRefused(
            "load-failed",
            f"onnxruntime does not take the file: {str(error)[:300]}",
            exception=type(error).__name__,
        ) from error
    return OnnxModel(session, read_classes(content))


def _options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _QUIET
    return options

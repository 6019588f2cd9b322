"""Converts a fitted scikit-learn model into an ONNX graph that answers the same to 1e-9.

Runs in a child of the model host only: it imports scikit-learn.
"""

from __future__ import annotations

from typing import Any

from registry.signature.types import Signature
from serving.runtimes.boosted import BoostedModel
from serving.runtimes.compiled.convert import boosters, dispatch, layout
from serving.runtimes.compiled.convert.graph import GraphBuilder
from serving.runtimes.compiled.convert.inputs import request_of
from serving.runtimes.compiled.errors import NotCompiled
from serving.runtimes.sklearn.model import SklearnModel


def compile_graph(model: SklearnModel | BoostedModel, signature: Signature) -> bytes:
    """A serialized ModelProto with the layout of its answer in the metadata.

    Arithmetic is in double with the casts that the library makes (XGBoost: in float32). Raises
    NotCompiled for what has no exact graph; the original serves then.
    """
    builder = GraphBuilder()
    asked: Any = model  # of both kinds the same is asked: facts, plans and answers
    request = request_of(builder, asked, signature)
    if isinstance(model, BoostedModel):
        made = boosters.answer(builder, model, request.value)
    else:
        made = dispatch.answer(builder, model.estimator, request.value)
    answered = layout.trial_blocks(asked, signature, builder.known)
    blocks, outputs = layout.layout_of(builder, made, answered)
    told = {"inputs": request.layout, "blocks": blocks}
    return builder.to_bytes(request.inputs, outputs, told)


__all__ = ["NotCompiled", "compile_graph"]

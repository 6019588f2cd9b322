"""Plain: which outputs of a model may repeat cells of the rows that it answered.

What is kept or shown of a model whose classification hides cells goes without them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.signature.dtypes import DTYPES
from registry.signature.facts import ModelFacts
from serving.protocols.answers import MEMBERS


def own_kinds(facts: ModelFacts) -> frozenset[str]:
    """The kinds of output whose values are the model's own.

    A transform may pass cells on as they came, and so may predictions: those of what only
    transforms, texts, and the many numbers of a scaler that was saved as ONNX. They are the model's
    own where they are classes that it was trained on, or one number.
    """
    outputs = facts.outputs
    is_own = all(one.classes is not None for one in outputs) or (
        len(outputs) == 1 and _is_number(outputs[0].type)
    )
    predicts = "predict" in facts.methods and is_own
    return frozenset({"probabilities", "decision"} | ({"prediction"} if predicts else set()))


def own_members(members: Mapping[str, Any], facts: ModelFacts) -> dict[str, Any] | None:
    """Members of an answer without those that may repeat cells; None where none is left."""
    own = {MEMBERS[kind] for kind in own_kinds(facts)}
    return {name: values for name, values in members.items() if name in own} or None


def _is_number(type_key: str) -> bool:
    return type_key in DTYPES and DTYPES[type_key].is_number

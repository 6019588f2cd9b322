"""Plain: the columns of a table answer: their names, and which of them a model gives by default."""

from __future__ import annotations

from typing import Any

from registry import strict_json
from registry.signature.cells import CellRefused, read_scalar
from registry.signature.dtypes import DTYPES
from registry.signature.facts import ModelFacts, OutputFacts
from registry.signature.types import Column

PREDICTION = "prediction"


def label_text(label: Any) -> str:
    """A class label as JSON prints it: ``yes``, ``1``, ``1.0``, ``true``."""
    return label if isinstance(label, str) else strict_json.dumps(label).decode()


def prediction_column(output: str | None) -> str:
    """The column of a prediction: ``prediction``, or the output's name when there are several."""
    return PREDICTION if output is None else output


def value_column(kind: str, output: str | None, label: Any) -> str:
    """The column of one label: ``probability_yes``, with several outputs ``probability_y0_yes``."""
    middle = "" if output is None else f"{output}_"
    return f"{kind}_{middle}{label_text(label)}"


def output_columns(facts: ModelFacts) -> tuple[Column, ...]:
    """The default table answer: predictions, then probabilities where the model has them.

    An object that only transforms answers its columns. Enum holds the classes where known.
    """
    if not facts.outputs:
        return tuple(Column(name, "float64") for name in facts.transform_names or ())
    columns = [_prediction(output) for output in facts.outputs]
    if "predict_proba" in facts.methods:
        columns += [column for output in facts.outputs for column in _probabilities(output)]
    return tuple(columns)


def _prediction(output: OutputFacts) -> Column:
    return Column(prediction_column(output.name), output.type, enum=_classes(output))


def _classes(output: OutputFacts) -> tuple[Any, ...] | None:
    if output.classes is None:
        return None
    try:
        return tuple(read_scalar(label, DTYPES[output.type]) for label in output.classes)
    except CellRefused:
        return None  # such as labels 0 and 1 where the model answers another type


def _probabilities(output: OutputFacts) -> list[Column]:
    return [
        Column(value_column("probability", output.name, label), "float64")
        for label in output.classes or ()
    ]

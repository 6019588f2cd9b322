"""Plain: what a runtime says about a fitted object: what inference works from.

A runtime fills ``ModelFacts`` after it has loaded a model; they are kept with the version as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

InputForm = Literal["frame", "matrix", "series", "records", "tensor"]
INPUT_FORMS: tuple[InputForm, ...] = ("frame", "matrix", "series", "records", "tensor")
METHODS = ("predict", "predict_proba", "decision_function", "score_samples", "transform")


@dataclass(frozen=True, slots=True)
class ColumnHint:
    """What the fitted object tells of one input column.

    ``type`` is a dtype key or None when the object does not say. ``categories`` are the known
    values in the object's order. ``unknown_raises``: a value outside them makes the model raise.
    ``dtype_category``: the model wants a pandas category here. ``shape`` is the shape of one
    row's value of a tensor column, without the batch dimension, -1 where a dimension is free.
    """

    type: str | None = None
    accepts_missing: bool = False
    categories: tuple[Any, ...] | None = None
    unknown_raises: bool = False
    dtype_category: bool = False
    shape: tuple[int, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON object; ``from_json`` reads it back."""
        return {
            "type": self.type,
            "accepts_missing": self.accepts_missing,
            "categories": None if self.categories is None else list(self.categories),
            "unknown_raises": self.unknown_raises,
            "dtype_category": self.dtype_category,
            "shape": None if self.shape is None else list(self.shape),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> ColumnHint:
        """Read what ``to_json`` wrote; members that are absent take their defaults."""
        return cls(
            type=stored.get("type"),
            accepts_missing=stored.get("accepts_missing", False),
            categories=_tuple(stored.get("categories")),
            unknown_raises=stored.get("unknown_raises", False),
            dtype_category=stored.get("dtype_category", False),
            shape=_tuple(stored.get("shape")),
        )


@dataclass(frozen=True, slots=True)
class OutputFacts:
    """One output of ``predict``: ``name`` is None when it is the only one, ``type`` a dtype key.

    ``classes`` are the labels in ``classes_`` order, as plain Python values; None for a regressor
    and wherever the labels are not known.
    """

    name: str | None
    type: str
    classes: tuple[Any, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON object; ``from_json`` reads it back."""
        classes = None if self.classes is None else list(self.classes)
        return {"name": self.name, "type": self.type, "classes": classes}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> OutputFacts:
        """Read what ``to_json`` wrote."""
        return cls(stored["name"], stored["type"], _tuple(stored.get("classes")))


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A fitted object as its runtime describes it.

    ``estimator`` is the qualified class name, ``libraries`` name -> version. ``feature_names`` are
    in the order of training, None when the object knows none; ``n_features`` is None when it does
    not know how many it takes. ``columns`` holds hints by feature name. ``outputs`` has one entry
    per output of ``predict`` (empty for an object that only transforms); ``transform_names`` the
    columns that ``transform`` makes. ``numeric_only``: every input may be read as float64.
    ``takes_anything``: it answers alike whatever the inputs are, so that float64 is a guess only.
    ``types_declared``: the file itself declares the type of every input (ONNX does), so that no
    example is needed. ``tensor_shape`` is the shape of one row's value for the form ``tensor``,
    without the batch dimension, -1 where a dimension is free.
    """

    estimator: str
    libraries: Mapping[str, str] = field(default_factory=dict)
    input_form: InputForm = "frame"
    feature_names: tuple[str, ...] | None = None
    n_features: int | None = None
    columns: Mapping[str, ColumnHint] = field(default_factory=dict)
    methods: tuple[str, ...] = ()
    outputs: tuple[OutputFacts, ...] = ()
    transform_names: tuple[str, ...] | None = None
    numeric_only: bool = False
    takes_anything: bool = False
    types_declared: bool = False
    tensor_shape: tuple[int, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """A JSON object; ``from_json`` reads it back."""
        return {
            "estimator": self.estimator,
            "libraries": dict(self.libraries),
            "input_form": self.input_form,
            "feature_names": _list(self.feature_names),
            "n_features": self.n_features,
            "columns": {name: hint.to_json() for name, hint in self.columns.items()},
            "methods": list(self.methods),
            "outputs": [output.to_json() for output in self.outputs],
            "transform_names": _list(self.transform_names),
            "numeric_only": self.numeric_only,
            "takes_anything": self.takes_anything,
            "types_declared": self.types_declared,
            "tensor_shape": _list(self.tensor_shape),
        }

    @property
    def refuses_texts(self) -> bool:
        """Whether an input that is no number cannot be meant."""
        return self.numeric_only and not self.takes_anything

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> ModelFacts:
        """Read what ``to_json`` wrote; members that are absent take their defaults."""
        columns = stored.get("columns", {})
        return cls(
            estimator=stored["estimator"],
            libraries=dict(stored.get("libraries", {})),
            input_form=stored.get("input_form", "frame"),
            feature_names=_tuple(stored.get("feature_names")),
            n_features=stored.get("n_features"),
            columns={name: ColumnHint.from_json(hint) for name, hint in columns.items()},
            methods=tuple(stored.get("methods", ())),
            outputs=tuple(OutputFacts.from_json(one) for one in stored.get("outputs", ())),
            transform_names=_tuple(stored.get("transform_names")),
            numeric_only=stored.get("numeric_only", False),
            takes_anything=stored.get("takes_anything", False),
            types_declared=stored.get("types_declared", False),
            tensor_shape=_tuple(stored.get("tensor_shape")),
        )


def _tuple(stored: list[Any] | tuple[Any, ...] | None) -> tuple[Any, ...] | None:
    return None if stored is None else tuple(stored)


def _list(value: tuple[Any, ...] | None) -> list[Any] | None:
    return None if value is None else list(value)

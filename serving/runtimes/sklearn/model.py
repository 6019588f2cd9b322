"""A fitted scikit-learn estimator that answers RecordBatches."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from registry.errors import CheckRefused
from registry.signature.facts import ModelFacts
from serving.runtimes import arrays
from serving.runtimes.base import (
    MAX_DENSE_COLUMNS,
    Answer,
    Block,
    asked_kinds,
    require_narrow,
)
from serving.runtimes.sklearn import anatomy, answers, columns, facts
from serving.runtimes.sklearn.inputs import ColumnPlan, make_input
from serving.runtimes.sklearn.once import copied, transformed
from serving.runtimes.sklearn.structure import check_structure, run_alone

# What stands in a trial row where the object names no category of its own.
_TRIAL_NUMBER = 1.0
_TRIAL_TEXT = "a"


class SklearnModel:
    """The estimator, what it says of itself, and the way from a batch to its X and back.

    Raises CheckRefused when its parts do not fit each other or it cannot score.
    """

    def __init__(self, estimator: Any, trained_with: str | None = None) -> None:
        # Before anything of it is called: what is asked for its methods may already be its code.
        check_structure(estimator)
        run_alone(estimator)
        n_features = anatomy.recorded(estimator, "n_features_in_")
        require_narrow(n_features)
        methods = facts.methods_of(estimator)
        self._estimator = estimator
        found = tuple(anatomy.branches(estimator))
        self._names = facts.names_of(estimator, found)
        self._form = facts.input_form_of(found, self._names)
        hints = columns.column_hints(found, self._names, n_features)
        self._plans = columns.column_plans(found, hints)
        self._classes = facts.classes_of(estimator)
        self._transform_names = _names_out(estimator) if "transform" in methods else None
        numeric = self._form in ("frame", "matrix") and columns.takes_numbers_only(found, hints)
        self._facts = ModelFacts(
            estimator=facts.qualified_name(estimator),
            libraries=facts.libraries() | ({"trained-with": trained_with} if trained_with else {}),
            input_form=self._form,
            feature_names=self._names,
            n_features=None if n_features is None else int(n_features),
            columns=hints,
            methods=self._servable(methods),
            transform_names=self._transform_names,
            numeric_only=numeric,
            takes_anything=columns.takes_anything(found),
        )
        self._finish_facts()

    def facts(self) -> ModelFacts:
        """What the fitted object says about itself."""
        return self._facts

    @property
    def estimator(self) -> Any:
        """The fitted object, for whoever compiles it; it is not to be altered."""
        return self._estimator

    @property
    def plans(self) -> Mapping[str, ColumnPlan]:
        """How each column is handed over; only those that need something are named."""
        return self._plans

    def score(
        self, batch: pa.RecordBatch, outputs: tuple[str, ...], params: Mapping[str, Any]
    ) -> Answer:
        """Answer every row with exactly what the estimator gives for it in process."""
        wanted = asked_kinds(self._facts, outputs, params)
        if batch.num_rows == 0:
            return self._answer_to_nothing(wanted)
        model, x = self._estimator, make_input(self._form, batch, self._names, self._plans)
        if len(wanted) > 1:
            model, x = transformed(model, x)
        blocks: list[Block] = []
        for at, kind in enumerate(wanted, 1):
            blocks += self._blocks(
                model, kind, x if at == len(wanted) else copied(x), batch.num_rows
            )
        return Answer(batch.num_rows, tuple(blocks))

    def _blocks(self, model: Any, kind: str, x: Any, n_rows: int) -> tuple[Block, ...]:
        """``model`` is the estimator, or its last step with what the others made of the rows."""
        names = [output.name for output in self._facts.outputs]
        classes = self._classes or ((),)
        if kind == "transform" or (kind == "prediction" and not names):
            prefix = type(anatomy.last(self._estimator)).__name__.lower()
            block = answers.transform_block(
                model.transform(x), n_rows, self._transform_names, prefix
            )
            return (block,) if kind == "transform" else _as_predictions(block)
        if kind == "prediction":
            return answers.prediction_blocks(model.predict(x), n_rows, names)
        if kind == "probabilities":
            return answers.probability_blocks(model.predict_proba(x), n_rows, names, classes)
        decide = getattr(model, "decision_function", None) or model.score_samples
        return answers.decision_blocks(decide(x), n_rows, names, classes)

    def _servable(self, methods: tuple[str, ...]) -> tuple[str, ...]:
        """Without ``transform`` where its sparse answer is too wide, if there is anything else."""
        wide = self._transform_names is not None and (
            len(self._transform_names) > MAX_DENSE_COLUMNS
        )
        return tuple(m for m in methods if not wide or m != "transform" or "predict" not in methods)

    def _finish_facts(self) -> None:
        """Fill in the outputs, from the labels or from the answer to one trial row."""
        if "predict" not in self._facts.methods:
            if len(self._transform_names or ()) > MAX_DENSE_COLUMNS:
                error = arrays.TooWide(len(self._transform_names or ()))
                raise CheckRefused("answer-too-wide", str(error))
            return
        outputs = facts.output_facts(self._classes, self._trial_prediction())
        self._facts = dataclasses.replace(self._facts, outputs=outputs)

    def _trial_prediction(self) -> list[pa.Array] | None:
        try:
            trial = self._trial_batch()
            x = make_input(self._form, trial, self._names, self._plans)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                predicted = arrays.columns_of(self._estimator.predict(x), 1)
            return [arrays.to_arrow(column) for column in predicted]
        except Exception:  # the trial row is a guess: what refuses it may still take real rows
            return None

    def _trial_batch(self) -> pa.RecordBatch:
        """One row out of the known categories, numbers and texts."""
        as_number = self._form == "matrix" or self._facts.numeric_only
        cells = {}
        for name, hint in self._facts.columns.items():
            plan = self._plans.get(name, ColumnPlan())
            if plan.sample is not None:
                cells[name] = [plan.sample]
            else:
                text = hint.type == "string" or (self._form == "series" and not as_number)
                cells[name] = [_TRIAL_TEXT if text else _TRIAL_NUMBER]
        return pa.RecordBatch.from_pydict(cells)

    def _answer_to_nothing(self, wanted: tuple[str, ...]) -> Answer:
        """No rows, which estimators refuse: the blocks of a trial row without its values."""
        try:
            return self.score(self._trial_batch(), wanted, {}).without_rows()
        except Exception:  # as above: then the callers see lists without rows and without names
            return Answer(0, ())


def _as_predictions(block: Block) -> tuple[Block, ...]:
    """For an object that only transforms: one prediction per column."""
    return tuple(
        Block("prediction", str(name), None, (array,))
        for name, array in zip(block.labels or (), block.arrays, strict=True)
    )


def _names_out(estimator: Any) -> tuple[str, ...] | None:
    """The column names of ``transform``; None where the estimator cannot tell them."""
    try:
        names = tuple(str(name) for name in estimator.get_feature_names_out())
    except Exception:  # a step without names raises whatever it likes
        return None
    return names if len(set(names)) == len(names) else None

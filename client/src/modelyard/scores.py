"""The answer to one scoring call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from modelyard.errors import RowError
from modelyard.optional import need


@dataclass(frozen=True, slots=True)
class ScoreResult:
    """Answers in the order of the rows.

    ``predictions``, ``probabilities`` and ``decisions`` hold one answer per row, None at a row that
    was skipped; each is None as a whole where it was not asked for or the model has none. With
    several outputs an answer is ``{output: value}``. ``errors`` are the first 100 of skipped rows,
    ``error_count`` counts them all.
    """

    model: str
    version: int | None
    predictions: Sequence[Any] | None = None
    probabilities: Sequence[Any] | None = None
    decisions: Sequence[Any] | None = None
    transformed: Sequence[Any] | None = None
    errors: tuple[RowError, ...] = ()
    error_count: int = 0
    request_id: str | None = None
    index: Any = field(default=None, repr=False)

    @classmethod
    def from_json(cls, document: Mapping[str, Any], *, index: Any = None) -> ScoreResult:
        """Read the answer of ``/predict``. ``index`` is the index of the frame that was scored."""
        errors = tuple(RowError.from_json(e) for e in document.get("errors") or ())
        return cls(
            model=str(document.get("model", "")),
            version=document.get("version"),
            predictions=document.get("predictions"),
            probabilities=document.get("probabilities"),
            decisions=_first(document, "decision", "decisions"),
            transformed=_first(document, "transform", "transformed"),
            errors=errors,
            error_count=document.get("error_count") or len(errors),
            request_id=document.get("request_id"),
            index=index,
        )

    def __len__(self) -> int:
        asked = (self.predictions, self.probabilities, self.decisions, self.transformed)
        return next((len(answers) for answers in asked if answers is not None), 0)

    def columns(self) -> dict[str, list[Any]]:
        """The answers as the columns of a table, named as in the service's own tables.

        ``prediction`` (or one column per output), ``probability_<label>`` (with several outputs
        ``probability_<output>_<label>``), ``decision``, and the columns of a transform.
        """
        found: dict[str, list[Any]] = {}
        for title, answers, joins in (
            ("prediction", self.predictions, False),
            ("probability", self.probabilities, True),
            ("decision", self.decisions, True),
            ("transform", self.transformed, False),
        ):
            if answers is not None:
                found |= _spread(title, answers, joins=joins)
        return found

    def to_pandas(self) -> Any:
        """A DataFrame of ``columns()``, under the index of the frame that was scored, if it was."""
        pandas = need("pandas", "to_pandas()")
        return pandas.DataFrame(self.columns(), index=self.index)


def _first(document: Mapping[str, Any], *names: str) -> Any:
    return next((document[name] for name in names if name in document), None)


def _spread(title: str, answers: Sequence[Any], *, joins: bool) -> dict[str, list[Any]]:
    """One column, or one for each path through nested answers, in the order of first meeting."""
    flat = [dict(_leaves(answer)) for answer in answers]
    paths = dict.fromkeys(path for row in flat for path in row if path)
    if not paths:
        return {title: [row.get(()) for row in flat]}
    names = {path: "_".join((title, *path) if joins else path) for path in paths}
    return {name: [row.get(path) for row in flat] for path, name in names.items()}


def _leaves(answer: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not isinstance(answer, Mapping):
        yield path, answer
        return
    for key, value in answer.items():
        yield from _leaves(value, (*path, key))

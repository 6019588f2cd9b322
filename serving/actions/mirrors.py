"""Mirrors: other versions get a copy of each request; how their answers differ is added up.

Nobody waits for a mirror. One thread of the process works on one copy at a time and then rests for
three times as long, so mirrors cost a quarter of a core at most; what comes meanwhile and does not
fit into the queue is dropped and counted, and so is what a mirror cannot take that is loading or
busy. A model host therefore never has more than one such request of each process.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from prometheus_client import Counter

from registry.errors import DomainError, InvalidField, ModelLoading, Overloaded
from registry.signature.facts import ModelFacts
from registry.signature.validate import Validated, validate_table
from serving.actions import tallies
from serving.actions.background import Background, Seldom
from serving.actions.held import answer_bytes, rows_bytes
from serving.actions.records import good_rows, sliced
from serving.actions.scoring import score
from serving.actions.targets import Target, facts_of
from serving.models import MirroredAnswer
from serving.monitoring.differences import Differences, differences
from serving.monitoring.quoting import own_members
from serving.protocols.answers import answer_members
from serving.runtimes.base import Answer, available_outputs
from serving.runtimes.isolation.errors import ModelSuspended

if TYPE_CHECKING:
    from serving.actions.after_scoring import Scored

log = logging.getLogger(__name__)

WAITING_MAX = 200
WAITING_MAX_BYTES = 32 << 20
# Larger requests are not mirrored: a sample is what is wanted, and rows cost time and memory.
ROWS_MAX = 1_000
BYTES_MAX = 1 << 20
DEADLINE_S = 10.0
REST_TIMES = 3.0
REST_MAX_S = 10.0
AT_ONCE = 50
EVERY_S = 1.0
# A comparison is a handful of numbers a day: it may be kept for long.
KEPT_DAYS = 90
EXAMPLE_TEXT_MAX = 2_000

_counted = Counter(
    "modelyard_mirrored_requests", "Copies of requests, by what became of them.", ("outcome",)
)
compared_total = _counted.labels("compared")
failed_total = _counted.labels("failed")
dropped_total = _counted.labels("dropped")

_telling = Seldom()


def mirror(scored: Scored) -> None:
    """Have a request copied to the mirrors; dropped where it does not fit. Takes microseconds."""
    is_small = scored.reply.answer.n_rows <= ROWS_MAX and scored.body_bytes <= BYTES_MAX
    if not is_small or not queue.offer(scored, _held_bytes(scored)):
        for one in _others(scored):
            _note_dropped(scored, one)


def work_on(waiting: Sequence[Scored]) -> None:
    """Ask the mirrors of these requests, compare, rest after each; write down what came out."""
    for scored in waiting:
        began_s = time.perf_counter()
        for one in _others(scored):
            if queue.is_ending:
                _note_dropped(scored, one)
            else:
                _ask(scored, one)
        queue.rest(min(REST_TIMES * (time.perf_counter() - began_s), REST_MAX_S))
    tallies.flush()


def sweep_comparisons() -> int:
    """Remove the comparisons of days long past; how many there were."""
    oldest = timezone.now().date() - timedelta(days=KEPT_DAYS)
    return MirroredAnswer.objects.filter(day__lt=oldest).delete()[0]


def _held_bytes(scored: Scored) -> int:
    """What waits with a request: its rows and its answer, which may be many times its body."""
    rows = rows_bytes(scored.decoded.validated.held, scored.body_bytes)
    return rows + answer_bytes(scored.reply.answer)


def _others(scored: Scored) -> Iterator[Target]:
    """The mirrors, without the version that answered itself."""
    served = scored.target.version_id
    return (one for one in scored.resolution.mirrors if one.version_id != served)


def _ask(scored: Scored, mirror: Target) -> None:
    served = scored.target
    began_s = time.perf_counter()
    try:
        answer = _answer(scored, mirror)
        found = differences(scored.reply.answer, answer)
    except (Overloaded, ModelLoading, ModelSuspended):
        _note_dropped(scored, mirror)
        return
    except Exception as error:
        if not isinstance(error, DomainError) and _telling.is_due():
            log.exception("Mirroring to %s version %s failed", mirror.model, mirror.number)
        failed_total.inc()
        tallies.counted.change(served, mirror, tallies.one_failed)
        return
    mirror_s = time.perf_counter() - began_s
    compared_total.inc()
    examples = _examples(scored, mirror, answer, found)

    def add(tally: tallies.Tally) -> None:
        tally.add(found, scored.scoring_seconds, mirror_s)
        tally.examples = (tally.examples + examples)[: MirroredAnswer.EXAMPLES_MAX]

    tallies.counted.change(served, mirror, add)


def _answer(scored: Scored, mirror: Target) -> Answer:
    """The mirror's answer to what both can be asked for. Raises InvalidField for nothing."""
    offered = available_outputs(mirror.facts)
    shared = tuple(kind for kind in scored.reply.asked if kind in offered)
    if not shared:
        raise InvalidField("The mirror has none of the outputs that were asked for.")
    sent = scored.decoded.params
    return score(
        mirror,
        _rows_for(scored, mirror),
        outputs=shared,
        params={p.name: sent.get(p.name, p.default) for p in mirror.signature.params},
        on_row_error="skip",
        deadline_s=DEADLINE_S,
    )


def _rows_for(scored: Scored, mirror: Target) -> Validated:
    """The rows as the mirror's own signature has them. Raises InvalidRows where they do not fit."""
    validated = scored.decoded.validated
    if mirror.signature.inputs == scored.target.signature.inputs:
        return validated
    known = [name for name in validated.batch.schema.names if name in mirror.signature.input_set]
    other = validate_table(mirror.signature, validated.batch.select(known))
    other.refuse_bad_rows()
    return other


def _examples(
    scored: Scored, mirror: Target, answer: Answer, found: Differences
) -> list[dict[str, Any]]:
    """The first row that differs, with its inputs where they may be kept."""
    if not found.differing:
        return []
    row = found.differing[0]
    example = {
        "request_id": scored.reply.request_id,
        "row": row,
        "served": _row_of(scored.reply.answer, row),
        "mirror": _row_of(answer, row),
        "inputs": None,
    }
    if scored.target.hides_cells or mirror.hides_cells:
        example |= _without_cells(example, scored.target.facts, mirror.facts)
    else:
        example["inputs"] = good_rows(scored.decoded.validated.batch.slice(row, 1))[0]
    text = repr(example)
    return [example] if len(text) <= EXAMPLE_TEXT_MAX and "\\x00" not in text else []


def shown_examples(compared: MirroredAnswer) -> list[dict[str, Any]]:
    """The examples; once the model hides cells without what repeats them or may do so."""
    if not compared.model.hides_cells:
        return list(compared.examples)
    facts = facts_of(compared.served_id), facts_of(compared.mirror_id)
    return [{**one, **_without_cells(one, *facts)} for one in compared.examples]


def _without_cells(
    example: Mapping[str, Any], served: ModelFacts, mirror: ModelFacts
) -> dict[str, Any]:
    return {
        "served": own_members(example["served"], served),
        "mirror": own_members(example["mirror"], mirror),
        "inputs": None,
    }


def _row_of(answer: Answer, row: int) -> dict[str, Any]:
    return {m: values[0] for m, values in answer_members(sliced(answer, row, 1)).items()}


def _note_dropped(scored: Scored, mirror: Target) -> None:
    dropped_total.inc()
    tallies.counted.change(scored.target, mirror, tallies.one_dropped)


queue: Background[Scored] = Background(
    "mirrors",
    work_on,
    most=WAITING_MAX,
    most_bytes=WAITING_MAX_BYTES,
    at_once=AT_ONCE,
    gather_s=EVERY_S,
)

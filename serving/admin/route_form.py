"""The form of a route: a line for each target and mirror, with some lines to spare."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django import forms

from registry.errors import DomainError
from registry.forms.base import ActionForm, reason_field
from registry.models import Alias, ModelVersion, RegisteredModel
from registry.models.alias import CHAMPION
from serving.actions.route_entries import MIRRORS_MAX, TARGETS_MAX
from serving.actions.routes import EntryState, RouteState

VERSIONS_OFFERED = 50
SPARE = 2
_AT_ENTRY = re.compile(r"at /(targets)?(?:mirror)?/(\d+)")
_NOBODY = (
    "Choose who answers. To let the champion answer everything again, take the route away on the "
    "model's page."
)


class RouteForm(ActionForm):
    """Which versions answer the bare name of a model, with what weights, and which look on."""

    reason = reason_field(placeholder="A tenth of the callers for a week")

    def __init__(self, state: RouteState, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        aliases, versions = _offered(state.model)
        answering = aliases if state.model.approval_required else aliases + versions
        self._targets = min(TARGETS_MAX, len(state.targets) + SPARE)
        self._mirrors = min(MIRRORS_MAX, len(state.mirrors) + 1)
        for line, entry in enumerate(_lines(state.targets, self._targets)):
            self.fields[f"target{line}"] = _choice(f"{line + 1}. Who", answering, entry)
            self.fields[f"weight{line}"] = forms.IntegerField(
                label="Weight",
                required=False,
                min_value=0,
                max_value=100,
                initial=entry.weight if entry else None,
            )
        if not state.targets and f"@{CHAMPION}" in dict(answering):
            self.initial = {"target0": f"@{CHAMPION}", "weight0": 100, **self.initial}
        for line, entry in enumerate(_lines(state.mirrors, self._mirrors)):
            self.fields[f"mirror{line}"] = _choice(f"{line + 1}. Mirror", aliases + versions, entry)

    def target_lines(self) -> list[tuple[forms.BoundField, forms.BoundField]]:
        """The fields of each target: who, and how much."""
        return [(self[f"target{n}"], self[f"weight{n}"]) for n in range(self._targets)]

    def mirror_fields(self) -> list[forms.BoundField]:
        """The field of each mirror."""
        return [self[f"mirror{n}"] for n in range(self._mirrors)]

    def clean(self) -> dict[str, Any]:
        """Who without a weight, a weight without anybody, and nobody at all are errors."""
        filled: dict[str, Any] = super().clean() or self.cleaned_data
        for n in range(self._targets):
            who, weight = f"target{n}", f"weight{n}"
            if {who, weight} & self.errors.keys():
                continue
            if filled.get(who) and filled[weight] is None:
                self.add_error(weight, "Write its weight, from 0 to 100.")
            elif not filled.get(who) and filled[weight]:
                self.add_error(who, "Choose who gets this weight, or clear it.")
        if not self.errors and not self._filled("target", self._targets):
            self.add_error(None, _NOBODY)
        return filled

    def asked(self) -> dict[str, Any]:
        """The filled-in lines as the action takes them."""
        filled = self.cleaned_data
        return {
            "targets": [
                {**_named(filled[f"target{n}"]), "weight": filled[f"weight{n}"]}
                for n in self._filled("target", self._targets)
            ],
            "mirror": [_named(filled[f"mirror{n}"]) for n in self._filled("mirror", self._mirrors)],
            "reason": filled.get("reason", ""),
        }

    def add_refusal(self, error: DomainError) -> None:
        """Write a refusal beside the line that its pointer names, else above the form."""
        field = self._field_at(str(error.facts.get("pointer", "")))
        self.add_error(field, _AT_ENTRY.sub(self._line_of, str(error)))

    def _line_of(self, pointer: re.Match[str]) -> str:
        kind, lines = ("target", self._targets) if pointer[1] else ("mirror", self._mirrors)
        return f"in line {self._filled(kind, lines)[int(pointer[2])] + 1}"

    def _filled(self, kind: str, lines: int) -> list[int]:
        return [n for n in range(lines) if self.cleaned_data.get(f"{kind}{n}")]

    def _field_at(self, pointer: str) -> str | None:
        """``/targets/1/weight`` counts filled lines, the form counts all."""
        steps = pointer.split("/")[1:]
        if len(steps) < 2 or not steps[1].isdigit():
            return None
        kind = "target" if steps[0] == "targets" else "mirror"
        filled = self._filled(kind, self._targets if kind == "target" else self._mirrors)
        line = filled[int(steps[1])]
        return f"weight{line}" if steps[2:] == ["weight"] else f"{kind}{line}"


def _lines(entries: Sequence[EntryState], count: int) -> list[EntryState | None]:
    return [*entries, *[None] * (count - len(entries))]


def _offered(model: RegisteredModel) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Aliases and ready versions as choices."""
    rows = Alias.objects.filter(model=model).select_related("version")
    aliases = [(f"@{row.name}", f"{row.name} (version {row.version.number} now)") for row in rows]
    ready = ModelVersion.objects.filter(model=model).ready().order_by("-number")
    numbers = ready.values_list("number", flat=True)[:VERSIONS_OFFERED]
    return aliases, [(str(number), f"version {number}") for number in numbers]


def _choice(
    label: str, offered: list[tuple[str, str]], entry: EntryState | None
) -> forms.ChoiceField:
    """A choice among what is offered, and what stands there already."""
    held = "" if entry is None else _text(entry)
    known = {value for value, _ in offered}
    kept = [] if not held or held in known else [(held, f"{held.lstrip('@')} (not ready)")]
    choices = [("", "—"), *kept, *offered]
    return forms.ChoiceField(label=label, required=False, choices=choices, initial=held)


def _text(entry: EntryState) -> str:
    named = entry.named
    return f"@{named['alias']}" if "alias" in named else str(named["version"])


def _named(text: str) -> dict[str, Any]:
    return {"alias": text[1:]} if text.startswith("@") else {"version": int(text)}

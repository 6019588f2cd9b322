"""What all bodies share: strict fields on the way in, urls and links on the way out.

Nothing is coerced on the way in: a number is no text, `"true"` is no boolean, and a field that
nobody knows is refused with the nearest known one. What a value means is judged by the actions.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar, cast

from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry import strict_json
from registry.api.sight import Sight
from registry.api.uploads import Part
from registry.conf import conf
from registry.errors import InvalidField, MalformedBody
from registry.panels import links_of


class In(serializers.Serializer[Any]):
    """A body that comes in. ``read`` is the way to use it."""

    @classmethod
    def read(cls, body: object) -> dict[str, Any]:
        """The fields that were sent, by name. Raises InvalidField and ValidationError."""
        if not isinstance(body, Mapping):
            raise InvalidField("An object was expected.", pointer="")
        serializer = cls(data=body)
        for name in body:
            if name not in serializer.fields:
                raise unknown_field(name, serializer.fields)
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)


def unknown_field(name: str, known: Mapping[str, Any]) -> InvalidField:
    """The error for a field that a body must not have; it names the nearest known one."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    hint = f"did you mean “{near[0]}”?" if near else f"known are {', '.join(known)}."
    escaped = name[:100].replace("~", "~0").replace("/", "~1")
    return InvalidField(f"Unknown field “{name[:100]}”; {hint}", pointer=f"/{escaped}")


class Text(serializers.CharField):
    """A text as it is: nothing is trimmed, and nothing else becomes a text."""

    default_error_messages = {
        "required": "The field is missing.",
        "invalid": "A text was expected.",
        "null": "A text was expected, not null.",
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False, "allow_blank": True, **options})

    def to_internal_value(self, data: Any) -> str:
        """The text."""
        if not isinstance(data, str):
            self.fail("invalid")
        return data


class Flag(serializers.BooleanField):
    """true or false, and nothing that looks like it."""

    default_error_messages = {
        "required": "The field is missing.",
        "invalid": "true or false was expected.",
        "null": "true or false was expected.",
    }

    def to_internal_value(self, data: Any) -> bool:
        """The boolean."""
        if not isinstance(data, bool):
            self.fail("invalid")
        return data


class Whole(serializers.IntegerField):
    """A whole number from 1 on, such as the number of a version; 3.0 is 3."""

    default_error_messages = {
        "required": "The field is missing.",
        "invalid": "A whole number from 1 on was expected.",
        "null": "A whole number from 1 on was expected.",
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, max_value=2**31 - 1, **options)

    def to_internal_value(self, data: Any) -> int:
        """The number."""
        is_number = isinstance(data, int | float) and not isinstance(data, bool)
        if not is_number or data != data // 1:
            self.fail("invalid")
        return int(data)


class Moment(serializers.DateTimeField):
    """An RFC 3339 time with its offset, or null."""

    default_error_messages = {"invalid": "A time with offset was expected."}

    def to_internal_value(self, value: Any) -> Any:
        """The aware time."""
        try:
            moment = parse_datetime(value) if isinstance(value, str) else None
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self.fail("invalid", format="RFC 3339")
        return moment


class Texts(serializers.ListField):
    """A list of texts."""

    child = Text()
    default_error_messages = {"not_a_list": "A list of texts was expected."}


class Json(serializers.Field[Any, Any, Any, Any]):
    """Any JSON, to be judged by an action, which gives the pointer.

    In a form it is the text of the JSON, or a small file that holds it.
    """

    default_error_messages = {"invalid": "Not valid JSON: {reason}"}

    def __init__(self, *, in_form: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.in_form = in_form

    def to_internal_value(self, data: Any) -> Any:
        """The parsed value."""
        if not self.in_form:
            return data
        body = data.read() if isinstance(data, Part) else str(data).encode()
        try:
            return strict_json.loads(body, max_bytes=conf.max_body_bytes)
        except MalformedBody as error:
            self.fail("invalid", reason=error.detail)

    def to_representation(self, value: Any) -> Any:
        """As it is."""
        return value


@extend_schema_field(
    {"type": "object", "additionalProperties": {"type": "string", "maxLength": 256}}
)
class Tags(Json):
    """An object of texts."""


@extend_schema_field({"type": "object", "additionalProperties": {"type": "number"}})
class Metrics(Json):
    """An object of finite numbers."""


@extend_schema_field(
    {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "inputs": {"type": "array", "minItems": 1, "items": {"type": "object"}},
            "outputs": {"type": "array", "items": {"type": "object"}},
            "params": {"type": "array", "items": {"type": "object"}},
        },
    }
)
class SignatureJson(Json):
    """A signature: ``{inputs, outputs, params}``."""


# A name or number that makes room for the whole neighbour once it is expanded.
NAME_OR_ROW = {"oneOf": [{"type": "string"}, {"type": "object"}, {"type": "null"}]}
NUMBER_OR_ROW = {"oneOf": [{"type": "integer"}, {"type": "object"}, {"type": "null"}]}


@extend_schema_field(NAME_OR_ROW)
class NameOrRow(serializers.ReadOnlyField):
    """A name, or the whole neighbour once it is expanded."""


@extend_schema_field(NUMBER_OR_ROW)
class NumberOrRow(serializers.ReadOnlyField):
    """A version's number, or the whole version once it is expanded."""


LINKS = {"type": "object", "additionalProperties": {"type": ["string", "null"], "format": "uri"}}


class Out(serializers.Serializer[Any]):
    """A body that goes out: an object with its own url and the urls of its neighbours.

    ``kind_key`` is its key in ``registry.api.kinds``. The context holds ``sight``: who looks, and
    from where. Rows come from ``Kind.rows``, which has read what is needed beforehand: writing
    one out makes no query.
    """

    kind_key: ClassVar[str]

    url = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()

    def path_of(self, row: Any) -> str:
        """The object's path below the API's root."""
        raise NotImplementedError

    def neighbours(self, row: Any) -> dict[str, str | None]:
        """Paths of neighbours below the API's root; null where there is none to be seen."""
        raise NotImplementedError

    def get_url(self, row: Any) -> str:
        """The object's own url."""
        return self._sight.url(self.path_of(row))

    @extend_schema_field(LINKS)
    def get_links(self, row: Any) -> dict[str, str | None]:
        """The urls of the neighbours, those of the upper building included."""
        paths = self.neighbours(row)
        paths |= {key: maker(row) for key, maker in self._added_links.items()}
        return {key: path and self._sight.url(path) for key, path in paths.items()}

    @property
    def _sight(self) -> Sight:
        return cast(Sight, self.context["sight"])

    @cached_property
    def _added_links(self) -> dict[str, Callable[[Any], str | None]]:
        return links_of(self.kind_key)

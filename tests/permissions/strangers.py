"""Names and ids of the other side, what stands for none, and answers made comparable."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

from django.db.models import Model

from tests.permissions.world import Things, Who, World

# Nobody has this id; names that begin like that are nobody's.
NO_ID = str(uuid.UUID("0198a000-0000-7000-8000-00000000dead"))
NO_NAME = "nosuch"
# What hangs on a model, and so is hidden from a key that is limited to another one.
_OF_MODEL = ("model", "version", "spare", "quarantined", "approval", "queued", "failed", "done",
             "schedule", "record", "webhook")  # fmt: skip
_HIDDEN_NAMES = re.compile(r"other-(?:model|data|archived|shelved|connection)[a-z-]*")
_HIDDEN_MODEL_NAMES = re.compile(r"other-model[a-z-]*")
# What differs between two equal requests.
_VARYING = re.compile(
    r'"instance": ?"[^"]*"'
    r"|request id [0-9a-f]+|<code[^>]*>[0-9a-f]{16,}</code>"
    r'|name="csrfmiddlewaretoken" value="[^"]*"'
    r"|<time[^>]*>.*?</time>"
    r"|X-CSRFToken[^}]*|nonce-[^\"' ]*"
)


def ids_of(held: Things, kinds: tuple[str, ...] | None = None) -> list[str]:
    """The ids of the things of a side."""
    rows = [getattr(held, kind) for kind in kinds or vars(held)]
    return [str(r.pk) for r in rows if isinstance(r, Model) and isinstance(r.pk, uuid.UUID)]


def told_of_other(world: World, who: Who, body: bytes) -> list[str]:
    """What a body tells of the other side that is hidden from who asks: names and ids."""
    text = body.decode(errors="replace")
    is_limited = who.standing.is_limited
    names = (_HIDDEN_MODEL_NAMES if is_limited else _HIDDEN_NAMES).findall(text)
    ids = ids_of(world.sides["other"], _OF_MODEL if is_limited else None)
    return sorted(set(names)) + [one for one in ids if one in text]


def comparable(body: bytes, world: World) -> str:
    """A body without what names the thing that was asked for, and what differs each time."""
    text = body.decode(errors="replace")
    for one in (*ids_of(world.sides["other"]), NO_ID):
        text = text.replace(one, "THING")
    return _VARYING.sub("", re.sub(rf"(?:other|{NO_NAME})-[a-z-]+", "THING", text))


def unnamed(value: Any, world: World) -> Any:
    """The same value with the names and ids of the other side replaced by those of nothing."""
    text = json.dumps(value)
    for one in ids_of(world.sides["other"]):
        text = text.replace(one, NO_ID)
    return json.loads(text.replace("other-", f"{NO_NAME}-"))

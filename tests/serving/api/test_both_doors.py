"""The express lane and Django answer alike: status, headers in their order, body."""

from __future__ import annotations

from typing import Any

import pytest

from tests import drawing
from tests.serving.api.doors import django_door, express_door
from tests.serving.api.requests import DIALECTS, LISTED, drawn, with_key
from tests.serving.batch import ledger


@pytest.mark.django_db(transaction=True)
def test_both_doors_answer_alike_to_the_byte(
    keys: dict[str, str], failing_host: ledger.ObedientHost, record_property: Any
) -> None:
    express, behind = express_door()
    django = django_door()
    seed = drawing.seed()
    requests = [*LISTED, *DIALECTS, *drawn(drawing.amount(1000, short=60), seed)]
    seen: dict[int, int] = {}
    for asked in (with_key(asked, keys) for asked in requests):
        one, other = express.ask(asked), django.ask(asked)
        if "é" in asked.headers["X-Request-Id"]:
            other = type(one)(
                other.status,
                [
                    (n, v.replace(other["X-Request-Id"], one["X-Request-Id"]))
                    for n, v in other.headers
                ],
                other.body.replace(other["X-Request-Id"].encode(), one["X-Request-Id"].encode()),
            )
        assert one == other, asked
        seen[one.code] = seen.get(one.code, 0) + 1
    record_property(
        "counted",
        f"both doors: {len(requests)} requests, {len(requests) - behind.requests} of them answered "
        f"by the express lane, statuses {dict(sorted(seen.items()))}, seed {seed}",
    )
    assert len(requests) >= 200
    assert behind.requests < len(requests) / 2
    assert seen.keys() >= {200, 400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 500, 503}

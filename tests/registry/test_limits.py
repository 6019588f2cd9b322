"""Limits: what one process counts, what all of them share, and what a caller is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from registry import limits
from registry.errors import Overloaded, RateLimited
from tests.services.processes import wait_until
from tests.services.valkey import require_shared, running_valkey

SLOW = (5, 3600.0)
WIDE = (1000, 3600.0 * 24)
KEY = "key:abc"


def spend(limiter: limits._Limiter, calls: int, rate: limits.Rate | None = SLOW) -> int:
    """How many of these calls are let through."""
    passed = 0
    for _ in range(calls):
        try:
            limiter.spend(KEY, rate)
        except RateLimited:
            continue
        passed += 1
    return passed


@pytest.fixture
def alone() -> limits._Limiter:
    """A process without Redis."""
    limiter = limits._Limiter()
    limiter.is_away = True
    return limiter


def test_a_bucket_fills_evenly_and_no_further():
    share = limits._Share(rate=(2, 4.0), level=2.0, at_s=0.0)
    given = []
    for now_s in (0.0, 0.0, 0.0, 1.0, 2.0, 1000.0, 1000.0, 1000.0):
        share.receive(share.take_alone(now_s), now_s)
        given.append((share.left, max(0.0, share.empty_until_s - now_s)))

    nothing, one = (0, pytest.approx(2.0)), (1, 0.0)
    assert given == [one, one, nothing, (0, pytest.approx(1.0)), one, one, one, nothing]


@pytest.mark.parametrize(
    ("rate", "size"),
    [
        ((20_000, 1.0), 1000),
        ((1000, 1.0), 50),
        ((600, 60.0), 1),
        ((60_000, 60.0), 100),
        ((5, 3600.0), 1),
    ],
)
def test_a_share_is_a_tenth_of_a_second_and_at_most_a_twentieth(rate: limits.Rate, size: int):
    assert limits._Share(rate, rate[0], 0.0).size == size


def test_a_process_alone_limits_by_itself(alone: limits._Limiter):
    assert spend(alone, 9) == 5


def test_without_a_limit_everything_passes(alone: limits._Limiter):
    assert spend(alone, 9, None) == 9
    assert not alone._shares


def test_a_refusal_says_when_to_come_again(alone: limits._Limiter):
    spend(alone, 5)

    with pytest.raises(RateLimited, match=r"More than 5 calls in 3600 s with one key\.") as refused:
        alone.spend(KEY, SLOW)

    assert 700 < int(refused.value.headers["Retry-After"]) <= 720


@pytest.mark.parametrize(
    ("who", "words"),
    [
        ("key:abc", "with one key"),
        ("user:7", "by one user"),
        ("address:2001:db8::1", "from one address"),
        ("key:abc model:churn", "with one key to the model “churn”"),
    ],
)
def test_a_refusal_says_of_whom(alone: limits._Limiter, who: str, words: str):
    alone.spend(who, (1, 3600.0))

    with pytest.raises(RateLimited, match=rf"More than 1 calls in 3600 s {words}\."):
        alone.spend(who, (1, 3600.0))


def test_another_limit_is_another_bucket(alone: limits._Limiter):
    assert spend(alone, 9) == 5
    assert spend(alone, 9, (7, 3600.0)) == 7


def test_buckets_are_bounded(alone: limits._Limiter, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "BUCKETS_KEPT", 3)
    for number in range(9):
        alone.spend(f"address:{number}", SLOW)

    assert list(alone._shares) == ["address:6", "address:7", "address:8"]


def test_a_limit_on_models_counts_each_by_itself(settings: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "_limiter", limits._Limiter())
    limits._limiter.is_away = True
    settings.MODELYARD = settings.MODELYARD | {"MODEL_RATE_LIMIT": (1, 3600.0)}

    limits.spend_on_model(KEY, "churn")
    limits.spend_on_model(KEY, "prices")
    limits.spend_on_model("user:7", "churn")
    with pytest.raises(RateLimited):
        limits.spend_on_model(KEY, "churn")

    settings.MODELYARD = settings.MODELYARD | {"MODEL_RATE_LIMIT": None}
    limits.spend_on_model(KEY, "churn")


def test_processes_share_what_is_left(valkey: redis.Redis):
    one, other = limits._Limiter(), limits._Limiter()

    assert spend(one, 3) == 3
    assert spend(other, 9) == 2
    assert spend(one, 9) == 0
    assert valkey.ttl(f"modelyard:limit:{KEY}") > 3000


def test_a_share_is_asked_for_once_and_no_other_process_has_it(
    valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
):
    # Longer than 100 ms: the bucket fills up no faster than the test is.
    monkeypatch.setattr(limits, "SHARE_S", 3600.0 * 24)
    one, other = limits._Limiter(), limits._Limiter()

    assert spend(one, 1, WIDE) == 1
    asked = asked_so_far(valkey)
    assert spend(one, 49, WIDE) == 49
    assert asked_so_far(valkey) == asked
    assert spend(other, 2000, WIDE) == 950
    assert spend(one, 9, WIDE) == 0


def test_who_is_refused_asks_no_further(valkey: redis.Redis):
    limiter = limits._Limiter()
    assert spend(limiter, 6) == 5
    asked = asked_so_far(valkey)

    assert spend(limiter, 50) == 0
    assert asked_so_far(valkey) == asked


def asked_so_far(valkey: redis.Redis) -> int:
    """How often the script has run."""
    return int(valkey.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"])


class Elsewhere:
    """A process whose Redis can be taken away."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.limiter = limits._Limiter()

    def is_back(self) -> bool:
        return not self.limiter.is_away


@pytest.fixture
def elsewhere(settings: Any) -> Iterator[Elsewhere]:
    with running_valkey() as server:
        settings.MODELYARD = settings.MODELYARD | {"REDIS_URL": server.url}
        found = Elsewhere(server)
        yield found
        found.limiter.is_away = False


def test_calls_go_on_with_what_redis_said_last_until_it_is_back(elsewhere: Elsewhere):
    limiter, server = elsewhere.limiter, elsewhere.server
    assert spend(limits._Limiter(), 2) == 2
    assert spend(limiter, 1) == 1

    server.kill()

    # Of five calls three were gone.
    assert spend(limiter, 9) == 2
    with pytest.raises(Overloaded) as refused:
        require_shared()
    assert refused.value.headers == {"Retry-After": "5"}

    server.restart()
    wait_until(elsewhere.is_back, 20, "it is back")
    require_shared()
    assert spend(limiter, 9, WIDE) == 9
    assert spend(limits._Limiter(), 2000, WIDE) == 991


def test_a_silent_redis_is_waited_for_once(elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch):
    limiter, told = elsewhere.limiter, []
    require_shared()
    ask = limiter._told
    monkeypatch.setattr(limiter, "_look", lambda: None)
    monkeypatch.setattr(limiter, "_told", lambda *asked: told.append(asked) or ask(*asked))
    elsewhere.server.freeze()

    assert spend(limiter, 9) == 5
    assert len(told) == 1
    elsewhere.server.thaw()

"""Limits: what one process counts, what all of them share, and what a caller is told."""

from __future__ import annotations

import time

import pytest
import redis

from registry import limits
from registry.errors import RateLimited

SLOW = (5, 3600.0)


def spend(limiter: limits._Limiter, calls: int, rate: limits.Rate | None = SLOW) -> int:
    """How many of these calls are let through."""
    passed = 0
    for _ in range(calls):
        try:
            limiter.spend("key:abc", rate, "with one key")
        except RateLimited:
            continue
        passed += 1
    return passed


@pytest.fixture
def alone() -> limits._Limiter:
    """A process whose settling thread never comes to it."""
    limiter = limits._Limiter()
    limiter._is_begun = True
    return limiter


def test_a_bucket_fills_evenly_and_no_further():
    bucket = limits._Bucket(rate=(2, 4.0), level=2.0, at_s=0.0)

    assert [bucket.take(0.0), bucket.take(0.0)] == [0.0, 0.0]
    assert bucket.take(0.0) == pytest.approx(2.0)
    assert bucket.take(1.0) == pytest.approx(1.0)
    assert bucket.take(2.0) == 0.0
    assert [bucket.take(1000.0) for _ in range(3)] == [0.0, 0.0, pytest.approx(2.0)]
    assert bucket.spent == 5


def test_a_process_alone_limits_by_itself(alone: limits._Limiter):
    assert spend(alone, 9) == 5


def test_without_a_limit_everything_passes(alone: limits._Limiter):
    assert spend(alone, 9, None) == 9
    assert not alone._buckets


def test_a_refusal_says_when_to_come_again(alone: limits._Limiter):
    spend(alone, 5)

    with pytest.raises(RateLimited, match=r"More than 5 calls in 3600 s with one key\.") as refused:
        alone.spend("key:abc", SLOW, "with one key")

    assert 700 < int(refused.value.headers["Retry-After"]) <= 720


def test_another_limit_is_another_bucket(alone: limits._Limiter):
    assert spend(alone, 9) == 5
    assert spend(alone, 9, (7, 3600.0)) == 7


def test_buckets_are_bounded(alone: limits._Limiter, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "BUCKETS_KEPT", 3)
    for number in range(9):
        alone.spend(f"address:{number}", SLOW, "from one address")

    assert list(alone._buckets) == ["address:6", "address:7", "address:8"]


def test_processes_share_what_is_left(valkey: redis.Redis):
    one, other = limits._Limiter(), limits._Limiter()
    script = valkey.register_script(limits._SETTLE)
    for limiter in (one, other):
        limiter._is_begun = True
    assert spend(one, 3) == 3
    one._settle(script)

    # The other has heard of nothing yet: its first call tells it.
    assert spend(other, 1) == 1
    other._settle(script)
    assert spend(other, 9) == 1
    assert valkey.ttl("modelyard:limit:key:abc") > 60


def test_what_was_spent_at_once_becomes_a_debt(valkey: redis.Redis):
    script = valkey.register_script(limits._SETTLE)
    processes = [limits._Limiter() for _ in range(3)]
    for limiter in processes:
        limiter._is_begun = True
        assert spend(limiter, 9) == 5
    for limiter in processes:
        limiter._settle(script)

    with pytest.raises(RateLimited) as refused:
        processes[-1].spend("key:abc", SLOW, "with one key")
    # Ten calls too many, and one to come: at five an hour.
    assert int(refused.value.headers["Retry-After"]) > 10 * 700


def test_calls_during_a_settlement_are_not_lost(valkey: redis.Redis):
    limiter = limits._Limiter()
    limiter._is_begun = True
    script = valkey.register_script(limits._SETTLE)
    spend(limiter, 2)
    pipeline = script.registered_client.pipeline

    def meanwhile(**options: bool):
        spend(limiter, 1)
        return pipeline(**options)

    script.registered_client.pipeline = meanwhile
    limiter._settle(script)

    assert limiter._buckets["key:abc"].spent == 1
    assert limiter._buckets["key:abc"].level == pytest.approx(2.0, abs=0.1)


def test_the_thread_settles(valkey: redis.Redis):
    from tests.services.processes import wait_until

    limiter = limits._Limiter()
    spend(limiter, 2)

    wait_until(lambda: bool(valkey.exists("modelyard:limit:key:abc")), 20, "it is settled")
    level = float(valkey.hget("modelyard:limit:key:abc", "level"))
    assert level == pytest.approx(3.0, abs=0.1)
    assert time.time() - float(valkey.hget("modelyard:limit:key:abc", "at")) < 60

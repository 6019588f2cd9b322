"""Limits on calls: a token bucket for each key and address, shared by all web processes.

A call costs no round trip. Each process counts by itself and settles with Redis a few times a
second: it tells what was spent and hears what is left. What all of them spent together in between
becomes a debt, so the mean is what is allowed. While Redis is away each process limits alone.

A bucket holds as many calls as the limit names and fills evenly: 600/min allows 600 at once, and
ten more with each second.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from registry.conf import Rate, conf
from registry.errors import RateLimited

log = logging.getLogger(__name__)

SETTLE_EVERY_S = 0.2
SOCKET_TIMEOUT_S = 0.5
# Those used longest ago are forgotten first, and begin full when they come again.
BUCKETS_KEPT = 20_000
# How deep a debt may get, in full buckets.
DEBT_BUCKETS = 4

# KEYS: the bucket. ARGV: what was spent, capacity, calls a second, the deepest debt.
# Answers with the level as text, because Lua's numbers come back as integers.
_SETTLE = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local capacity, rate = tonumber(ARGV[2]), tonumber(ARGV[3])
local held = redis.call('HMGET', KEYS[1], 'level', 'at')
local level = tonumber(held[1]) or capacity
local passed = math.max(0, now - (tonumber(held[2]) or now))
level = math.min(capacity, level + passed * rate) - tonumber(ARGV[1])
level = math.max(level, -tonumber(ARGV[4]))
redis.call('HSET', KEYS[1], 'level', tostring(level), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((capacity - level) / rate * 1000) + 1000)
return tostring(level)
"""


def spend_for_key(public_id: str) -> None:
    """One call with this key. Raises RateLimited."""
    _limiter.spend(f"key:{public_id}", conf.rate_limit, "with one key")


def spend_for_user(user_id: str) -> None:
    """One call in a browser session of this user. Raises RateLimited."""
    _limiter.spend(f"user:{user_id}", conf.rate_limit, "by one user")


def spend_for_address(address: str | None) -> None:
    """One call without a key, from this address; None where it is not known: no limit.

    Raises RateLimited.
    """
    if address:
        _limiter.spend(f"address:{address}", conf.address_rate_limit, "from one address")


@dataclass(slots=True)
class _Bucket:
    """``level`` calls are left at ``at_s``; ``spent`` is not settled yet."""

    rate: Rate
    level: float
    at_s: float
    spent: int = 0

    def take(self, now_s: float) -> float:
        """Take one call: 0, or the seconds until there is one."""
        calls, seconds = self.rate
        level = min(calls, self.level + (now_s - self.at_s) * calls / seconds)
        self.at_s = now_s
        if level < 1:
            self.level = level
            return (1 - level) * seconds / calls
        self.level = level - 1
        self.spent += 1
        return 0.0


class _Limiter:
    """The buckets of this process, and the thread that settles them."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: a forked child has no threads, and its parent settles what it spent."""
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._lock = threading.Lock()
        self._is_due = threading.Event()
        self._is_begun = False

    def spend(self, who: str, rate: Rate | None, of_whom: str) -> None:
        """Take a call out of somebody's bucket. Raises RateLimited when it is empty."""
        if rate is None:
            return
        with self._lock:
            wait_s = self._bucket(who, rate).take(time.monotonic())
            if not self._is_begun:
                self._begin()
        if wait_s:
            calls, seconds = rate
            raise RateLimited(
                f"More than {calls} calls in {seconds:g} s {of_whom}.",
                retry_after_s=math.ceil(wait_s),
            )
        if not self._is_due.is_set():
            self._is_due.set()

    def _bucket(self, who: str, rate: Rate) -> _Bucket:
        bucket = self._buckets.get(who)
        if bucket is None or bucket.rate != rate:
            bucket = _Bucket(rate, rate[0], time.monotonic())
            self._buckets[who] = bucket
            if len(self._buckets) > BUCKETS_KEPT:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(who)
        return bucket

    def _begin(self) -> None:
        self._is_begun = True
        threading.Thread(target=self._settle_for_ever, name="limits", daemon=True).start()

    def _settle_for_ever(self) -> None:
        is_away = False
        with redis.Redis.from_url(
            conf.redis_url,
            socket_timeout=SOCKET_TIMEOUT_S,
            socket_connect_timeout=SOCKET_TIMEOUT_S,
            retry=Retry(NoBackoff(), 1),
        ) as client:
            script = client.register_script(_SETTLE)
            while True:
                self._is_due.wait()
                time.sleep(SETTLE_EVERY_S)
                self._is_due.clear()
                try:
                    self._settle(script)
                    is_away = False
                except Exception as error:  # the thread has nobody to tell, and must go on
                    if not is_away:
                        log.warning("Each process limits calls by itself: %s", error)
                    is_away = True

    def _settle(self, script: redis.commands.core.Script) -> None:
        """Tell what was spent, and take over what is left."""
        with self._lock:
            told = [(who, one, one.spent) for who, one in self._buckets.items() if one.spent]
            for _, bucket, spent in told:
                bucket.spent -= spent
        if not told:
            return
        with script.registered_client.pipeline(transaction=False) as pipeline:
            for who, one, spent in told:
                calls, seconds = one.rate
                limits = (spent, calls, calls / seconds, DEBT_BUCKETS * calls)
                script([f"modelyard:limit:{who}"], limits, client=pipeline)
            levels = pipeline.execute()
        now_s = time.monotonic()
        with self._lock:
            for (_, bucket, _), level in zip(told, levels, strict=True):
                bucket.level, bucket.at_s = float(level) - bucket.spent, now_s


_limiter = _Limiter()
os.register_at_fork(after_in_child=_limiter.forget)

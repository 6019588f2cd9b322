"""Limits on calls: a token bucket for each key, user and address, and for each caller of a model.

The buckets lie in Redis. A process takes a share of a bucket at a time and counts it down by
itself, so a call costs a look into a dict, and only the one that finds the share used up asks
Redis. A share is what the limit allows in 100 ms, at most a twentieth of the limit, and one call at
least: that much for each process is how far a limit can be passed.

While Redis is away each process takes its shares from its own copy of the buckets, which begins
with what Redis said last; a thread looks whether Redis is back. What can wait does so: see
``require_shared``.

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
from typing import Any, NamedTuple

import redis

from registry.conf import Rate, conf
from registry.errors import Overloaded, RateLimited
from registry.redis_client import redis_client

log = logging.getLogger(__name__)

SHARE_S = 0.1
SHARE_PART = 0.05
# Nobody waits for longer than this until it is known that Redis is away, and only once.
SOCKET_TIMEOUT_S = 0.1
# An upload is not refused for a moment in which a busy machine was slow.
PATIENT_TIMEOUT_S = 2.0
LOOK_EVERY_S = 0.5
COME_AGAIN_S = 5
# Those that took a share longest ago are forgotten first.
BUCKETS_KEPT = 20_000

# KEYS: the bucket. ARGV: how many are wanted, capacity, calls a second.
# Answers with how many are given, and with the level as text: Lua's numbers come back as integers.
_TAKE = """
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1e6
local capacity, rate = tonumber(ARGV[2]), tonumber(ARGV[3])
local held = redis.call('HMGET', KEYS[1], 'level', 'at')
local level = tonumber(held[1]) or capacity
local passed = math.max(0, now - (tonumber(held[2]) or now))
level = math.min(capacity, level + passed * rate)
local given = math.max(0, math.min(tonumber(ARGV[1]), math.floor(level)))
level = level - given
redis.call('HSET', KEYS[1], 'level', tostring(level), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((capacity - level) / rate * 1000) + 1000)
return {given, tostring(level)}
"""
_PROBE = "probe"


def spend_for(caller: str) -> None:
    """One call of a caller, as ``Principal.id`` names them. Raises RateLimited."""
    _limiter.spend(caller, conf.rate_limit)


def spend_on_model(caller: str, model: str) -> None:
    """One call that scores with this model, besides ``spend_for``. Raises RateLimited."""
    rate = conf.model_rate_limit
    if rate is not None:
        _limiter.spend(f"{caller} model:{model}", rate)


def spend_for_address(address: str | None) -> None:
    """One call without a key, from this address; None where it is not known: no limit.

    Raises RateLimited.
    """
    if address:
        _limiter.spend(f"address:{address}", conf.address_rate_limit)


def require_shared() -> None:
    """For what can wait, such as uploads: raises Overloaded while Redis is away."""
    try:
        with redis_client(PATIENT_TIMEOUT_S) as client:
            client.ping()
    except (redis.RedisError, OSError) as error:
        log.warning("An upload is refused, Redis is away: %s", error)
        raise Overloaded(
            "What counts calls and queues work is away. Nothing was taken; try again.",
            retry_after_s=COME_AGAIN_S,
        ) from error


class _Given(NamedTuple):
    """How many calls were given out of a bucket, and the level that is left in it."""

    calls: int
    level: float


@dataclass(slots=True)
class _Share:
    """``left`` calls are in hand; ``level`` were left in the bucket at ``at_s``, as far as known.

    Before ``empty_until_s`` there is nothing to be had. Seconds are of the monotonic clock.
    """

    rate: Rate
    level: float
    at_s: float
    left: int = 0
    empty_until_s: float = 0.0

    @property
    def size(self) -> int:
        """How many calls are taken at a time."""
        calls, seconds = self.rate
        return max(1, int(min(calls / seconds * SHARE_S, calls * SHARE_PART)))

    def take_alone(self, now_s: float) -> _Given:
        """The next share out of the own copy."""
        calls, seconds = self.rate
        level = min(calls, self.level + (now_s - self.at_s) * calls / seconds)
        given = max(0, min(self.size, int(level)))
        return _Given(given, level - given)

    def receive(self, given: _Given, now_s: float) -> None:
        """Have it in hand; where nothing was given, know until when."""
        calls, seconds = self.rate
        self.left, self.level, self.at_s = given.calls, given.level, now_s
        self.empty_until_s = 0.0 if given.calls else now_s + (1 - given.level) * seconds / calls


class _Limiter:
    """The shares of this process."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: a forked child has no threads, and no connection of its own."""
        self._shares: OrderedDict[str, _Share] = OrderedDict()
        self._lock = threading.Lock()
        # One at a time asks Redis: whoever comes next then finds a share, or Redis away.
        self._asking = threading.Lock()
        self._script: Any = None
        self.is_away = False

    def spend(self, who: str, rate: Rate | None) -> None:
        """Take a call out of somebody's bucket. Raises RateLimited when it is empty."""
        if rate is None or self._has_taken(who, rate):
            return
        with self._asking:
            if self._has_taken(who, rate):
                return
            wait_s = self._renew(self._share(who, rate), who)
        if wait_s > 0:
            calls, seconds = rate
            raise RateLimited(
                f"More than {calls} calls in {seconds:g} s {_of_whom(who)}.",
                retry_after_s=math.ceil(wait_s),
            )

    def _has_taken(self, who: str, rate: Rate) -> bool:
        """Whether there was a call in hand."""
        with self._lock:
            share = self._shares.get(who)
            if share is None or not share.left or share.rate != rate:
                return False
            share.left -= 1
            return True

    def _share(self, who: str, rate: Rate) -> _Share:
        """The present share, with nothing in hand; a new one after another limit was set."""
        with self._lock:
            share = self._shares.get(who)
            if share is None or share.rate != rate:
                share = self._shares[who] = _Share(rate, rate[0], time.monotonic())
            self._shares.move_to_end(who)
            if len(self._shares) > BUCKETS_KEPT:
                self._shares.popitem(last=False)
            return share

    def _renew(self, share: _Share, who: str) -> float:
        """Take a call out of the next share: 0, or the seconds until there is one."""
        wait_s = share.empty_until_s - time.monotonic()
        if wait_s > 0:
            return wait_s
        given = self._ask(who, share.size, share.rate)
        now_s = time.monotonic()
        with self._lock:
            share.receive(given or share.take_alone(now_s), now_s)
            if share.left:
                share.left -= 1
                return 0.0
        return share.empty_until_s - now_s

    def _ask(self, who: str, calls: int, rate: Rate) -> _Given | None:
        """What Redis gives; None while it is away. Only for who holds ``_asking``."""
        if self.is_away:
            return None
        try:
            return self._told(who, calls, rate)
        except (redis.RedisError, OSError) as error:
            log.warning("Each process limits calls by itself: %s", error)
            self.is_away = True
            threading.Thread(target=self._look, name="limits", daemon=True).start()
            return None

    def _told(self, who: str, calls: int, rate: Rate) -> _Given:
        if self._script is None:
            self._script = redis_client(SOCKET_TIMEOUT_S).register_script(_TAKE)
        capacity, seconds = rate
        arguments = (calls, capacity, capacity / seconds)
        given, level = self._script([f"modelyard:limit:{who}"], arguments)
        return _Given(int(given), float(level))

    def _look(self) -> None:
        """Look until Redis does again what it is needed for."""
        while self.is_away:
            time.sleep(LOOK_EVERY_S)
            try:
                self._told(_PROBE, 1, (1, 1.0))
            except Exception as error:  # the thread has nobody to tell, and must go on
                log.debug("Redis is still away: %s", error)
            else:
                log.info("Calls are limited together again.")
                self.is_away = False


def _of_whom(who: str) -> str:
    """A bucket's name in words."""
    caller, _, model = who.partition(" model:")
    kind = caller.partition(":")[0]
    words = {"key": "with one key", "user": "by one user", "address": "from one address"}[kind]
    return f"{words} to the model “{model}”" if model else words


_limiter = _Limiter()
os.register_at_fork(after_in_child=_limiter.forget)

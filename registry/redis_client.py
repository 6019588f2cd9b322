"""Clients of Redis for what the app itself asks there: limits, and the news of changes."""

from __future__ import annotations

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from registry.conf import conf


def redis_client(timeout_s: float) -> redis.Redis:
    """A client that waits so many seconds for the server, each time.

    A connection that was closed is made again; a silence is not waited for twice.
    """
    return redis.Redis.from_url(
        conf.redis_url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )

"""Metering: what is counted and timed comes out as if it had been added one by one."""

from __future__ import annotations

import threading

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from registry.metering import Meter
from tests.services.processes import wait_until

BOUNDS = (0.1, 1.0, 10.0)


@pytest.fixture
def held() -> CollectorRegistry:
    return CollectorRegistry()


def timer(held: CollectorRegistry) -> Histogram:
    return Histogram("waited", "Time waited.", ("route",), registry=held, buckets=BOUNDS)


def test_a_histogram_is_the_same_as_observed_one_by_one(held: CollectorRegistry) -> None:
    meter, alone = Meter(), CollectorRegistry()
    ours, theirs = timer(held).labels("/a"), timer(alone).labels("/a")
    for seconds in (0.05, 0.1, 0.100001, 1.0, 2.0, 10.0, 11.0, 0.05):
        meter.observe(ours, seconds)
        theirs.observe(seconds)

    meter.flush()

    told = [line for line in generate_latest(held).splitlines() if b"_created" not in line]
    expected = [line for line in generate_latest(alone).splitlines() if b"_created" not in line]
    assert told == expected


def test_many_threads_lose_no_count(held: CollectorRegistry) -> None:
    meter = Meter()
    counter = Counter("seen", "Seen.", ("who",), registry=held)

    def count(who: str) -> None:
        for _ in range(2_000):
            meter.count(counter.labels(who))

    threads = [threading.Thread(target=count, args=(who,)) for who in "aabb"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    meter.flush()

    assert [counter.labels(who)._value.get() for who in "ab"] == [4_000, 4_000]


def test_it_is_added_by_itself_after_a_moment(held: CollectorRegistry) -> None:
    meter = Meter()
    counter = Counter("seen", "Seen.", registry=held)

    meter.count(counter)

    wait_until(lambda: counter._value.get() == 1, 10, "it is added")


def test_a_metric_that_fails_keeps_no_other_from_being_added(
    held: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    meter = Meter()
    good = Counter("good", "Good.", registry=held)
    parent_of_labels = Counter("bad", "Bad.", ("who",), registry=held)

    meter.count(parent_of_labels)
    wait_until(lambda: "not added" in caplog.text, 10, "it is logged")
    meter.count(good)

    wait_until(lambda: good._value.get() == 1, 10, "it is added")

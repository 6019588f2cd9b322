"""Reading ahead in a thread keeps order, passes errors on and always ends."""

from __future__ import annotations

import threading

import pytest

from registry.tabular.ahead import ahead


def test_items_come_in_order():
    with ahead(n for n in range(100)) as items:
        assert list(items) == list(range(100))


def test_an_error_of_the_source_is_raised_where_it_is_read():
    def source():
        yield 1
        raise KeyError("here")

    with ahead(source()) as items:
        assert next(items) == 1
        with pytest.raises(KeyError, match="here"):
            next(items)


def test_leaving_early_ends_the_thread_and_closes_the_source():
    closed = threading.Event()

    def source():
        try:
            yield from iter(int, 1)
        finally:
            closed.set()

    before = threading.active_count()
    with ahead(source()) as items:
        next(items)
    assert threading.active_count() == before
    assert closed.wait(5)

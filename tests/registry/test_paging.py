"""Lists in pages: short ones are counted each time, of long ones no row is ever left out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.core.paginator import EmptyPage
from django.db import connection
from django.test.utils import CaptureQueriesContext

from registry import changes, paging
from registry.models import Dataset, RegisteredModel
from registry.paging import Pages
from tests import things
from tests.people import Person, owner

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(paging, "COUNTED_TO", 4)
    paging._remembered.clear()
    yield
    paging._remembered.clear()


@pytest.fixture
def olga() -> Person:
    return owner()


def add(by: Person, *names: str) -> None:
    for name in names:
        things.a_model(by, name)


def pages() -> Pages:
    return Pages(RegisteredModel.objects.order_by("-id"), 2)


def test_a_short_list_is_counted_each_time(olga: Person) -> None:
    add(olga, "a", "b", "c")
    assert pages().count == 3
    RegisteredModel.objects.filter(name="c").delete()
    assert pages().count == 2
    assert Pages(["x"], 2).count == 1


def test_a_long_list_is_counted_once(olga: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    add(olga, *"abcdef")
    monkeypatch.setattr(changes, "is_in_touch", lambda *_: True)
    assert pages().count == 6
    with CaptureQueriesContext(connection) as asked:
        assert pages().count == 6
    assert ["LIMIT" in query["sql"] for query in asked.captured_queries] == [True]
    assert Pages(Dataset.objects.order_by("-id"), 2).count == 0


def test_what_came_meanwhile_pushes_nothing_out_of_the_last_page(
    olga: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(olga, *"abcdef")
    monkeypatch.setattr(changes, "is_in_touch", lambda *_: True)
    assert pages().num_pages == 3
    # As rows come that govern nothing: nobody is told.
    monkeypatch.setattr(changes._news, "count", lambda: None)
    add(olga, *"ghi")

    assert pages().count == 6
    assert [row.name for row in pages().page(1)] == ["i", "h"]
    seen, page = [], pages().page(1)
    while True:
        seen += [row.name for row in page]
        if not page.has_next():
            break
        page = pages().page(page.next_page_number())
    assert seen == list("ihgfedcba")
    assert [row.name for row in pages().page("5")] == ["a"]
    with pytest.raises(EmptyPage):
        pages().page(6)


def test_what_governs_has_the_list_counted_anew(
    olga: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(olga, *"abcdef")
    monkeypatch.setattr(changes, "is_in_touch", lambda *_: True)
    assert pages().count == 6
    changes.announce()
    RegisteredModel.objects.filter(name="a").delete()
    assert pages().count == 5

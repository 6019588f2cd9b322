"""Pages of a list by number, for every door: a long list is not counted anew for each page."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet

from registry import changes

# To here rows are counted each time: some milliseconds. Beyond, a count takes as long as the list.
COUNTED_TO = 10_000

# Of this process: (rows, when they were counted) by the query. As long as nothing that governs
# what somebody sees has changed, and half a minute at most.
_remembered = LocMemCache("counts", {"TIMEOUT": changes.AGE_S, "OPTIONS": {"MAX_ENTRIES": 1_000}})


def counted(rows: QuerySet[Any]) -> int:
    """How many rows there are, 10,000 where there are more."""
    return _bare(rows)[:COUNTED_TO].count()


class Pages(Paginator[Any]):
    """Counts to 10,000 each time; a longer list's count may be half a minute old.

    What came meanwhile pushes as much behind the last page: whoever asks for that one, or for one
    behind it, has the list counted anew.
    """

    _is_remembered = False

    @cached_property
    def count(self) -> int:
        """The number of rows."""
        if not isinstance(self.object_list, QuerySet):
            return super().count
        found = counted(self.object_list)
        return found if found < COUNTED_TO else self._count_of_many(self.object_list)

    def page(self, number: int | str) -> Page[Any]:
        """The page of this number, from 1. Raises InvalidPage where there is none."""
        if _is_number(number) and int(number) >= self.num_pages and self._is_remembered:
            _remembered.delete(_key(self.object_list))
            del self.count, self.num_pages
        return super().page(number)

    def _count_of_many(self, rows: QuerySet[Any]) -> int:
        key = _key(rows)
        kept: tuple[int, changes.Moment] | None = _remembered.get(key)
        self._is_remembered = kept is not None and kept[1].is_recent()
        if kept is not None and self._is_remembered:
            return kept[0]
        moment = changes.now()
        count = rows.count()
        _remembered.set(key, (count, moment))
        return count


def _key(rows: Any) -> str:
    return hashlib.sha256(repr(_bare(rows).query.sql_with_params()).encode()).hexdigest()


def _bare(rows: QuerySet[Any]) -> QuerySet[Any, Any]:
    """The same rows without what is worked out for each, in no order."""
    return rows.order_by().values("pk")


def _is_number(text: int | str) -> bool:
    return str(text).isdecimal()

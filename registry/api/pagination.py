"""Lists in pages by number: ``{count, next, previous, results}``."""

from __future__ import annotations

from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.utils.urls import remove_query_param, replace_query_param

from registry.api.parameters import PAGE_SIZE, PAGE_SIZE_MAX
from registry.api.sight import own_url
from registry.paging import Pages


class PageNumbers(PageNumberPagination):
    """DRF's shape; a bad number is refused, a page size over the cap is the cap."""

    page_size = PAGE_SIZE
    page_size_query_param = "page_size"
    max_page_size = PAGE_SIZE_MAX
    django_paginator_class = Pages
    request: Request

    def get_next_link(self) -> str | None:
        """The url of the next page, as people reach it; None on the last."""
        if self.page is None or not self.page.has_next():
            return None
        return replace_query_param(own_url(self.request), "page", self.page.next_page_number())

    def get_previous_link(self) -> str | None:
        """The url of the page before; None on the first."""
        if self.page is None or not self.page.has_previous():
            return None
        before = self.page.previous_page_number()
        if before == 1:
            return remove_query_param(own_url(self.request), "page")
        return replace_query_param(own_url(self.request), "page", before)

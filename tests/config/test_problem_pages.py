"""Pages for what went wrong, as somebody in a browser sees them."""

from __future__ import annotations

from django.test import RequestFactory

from config import problems, request_id


def test_the_page_for_our_own_fault_names_the_request_to_tell() -> None:
    request = RequestFactory().get("/admin/")
    page = problems.internal(request)
    assert page.status_code == 500
    assert f"Request <code>{request_id.of(request)}</code>" in page.content.decode()

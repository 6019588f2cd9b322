"""The reference: every code of an answer has its entry, its anchor and its remedy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import Client

from registry import errors
from registry.admin.reference import check_reasons, error_entries

pytestmark = pytest.mark.django_db
# Calls whose first argument is a reason that ends up in the evidence of a check.
REASON = re.compile(r'\b(?:CheckRefused|TabularError|Refused|Finding)\(\s*"([a-z][a-z0-9-]+)"')


def codes(kind: type[errors.DomainError]) -> set[str]:
    return {kind.code}.union(*(codes(below) for below in kind.__subclasses__()))


def test_every_code_of_the_tree_has_title_meaning_and_remedy() -> None:
    entries = {entry.code: entry for entry in error_entries()}
    assert set(entries) == codes(errors.DomainError)
    for entry in entries.values():
        assert entry.title, entry
        assert entry.meaning, entry
        assert entry.remedy, entry


def test_every_reason_of_a_check_is_explained(repository: Path) -> None:
    found: dict[str, str] = {}
    for folder in ("registry", "serving"):
        for path in (repository / folder).rglob("*.py"):
            for reason in REASON.findall(path.read_text()):
                found[reason] = str(path)
    assert len(found) > 20
    verdicts = {"passed", "failed", "warned"}
    unexplained = set(found) - set(check_reasons()) - set(errors.ROW_CODES) - verdicts
    assert not {reason: found[reason] for reason in unexplained}


def test_the_page_has_an_anchor_for_every_code_and_needs_no_session() -> None:
    page = Client().get("/docs/errors").content.decode()
    for code in codes(errors.DomainError):
        assert f'id="{code}"' in page
    for code in errors.ROW_CODES:
        assert f'id="row-{code}"' in page


def test_the_description_is_drawn_by_files_of_our_own() -> None:
    page = Client().get("/docs").content.decode()
    assert "swagger-ui-bundle" in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert " style=" not in page

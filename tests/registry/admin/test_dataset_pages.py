"""Pages of datasets: what governs them is shown, changed, and asked for."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from registry.admin.dashboard import overview
from registry.admin.rules_shown import outcome_lines, rules_in_words
from registry.models import ApprovalRequest, Dataset, DatasetVersion, Grant
from registry.principals import Principal
from registry.tabular.rules import outcomes_of
from tests.browser.world import World
from tests.registry.admin.conftest import SignIn

LIST = "/admin/registry/dataset/"
RULES = {
    "rows": {"min": 1},
    "columns": {"a/b": {}, "age": {"type": "int64", "max_null_share": 0.05, "min": 0}},
    "other_columns": False,
}


@pytest.fixture
def admin(world: World, signed_in: SignIn) -> Client:
    return signed_in(world.admin)


def url(row: Any, page: str = "change") -> str:
    return reverse(f"admin:registry_{row._meta.model_name}_{page}", args=[row.pk])


def text_of(client: Client, row: Any) -> str:
    answer = client.get(url(row))
    assert answer.status_code == 200
    return answer.content.decode()


def form(row: Dataset, **changes: str) -> dict[str, str]:
    return {"description": row.description, "classification": row.classification, **changes}


def granted(world: World, role: str) -> None:
    """Somebody without any other role has this one on the dataset."""
    Grant.objects.filter(dataset=world.dataset, user=world.stranger).delete()
    Grant.objects.create(dataset=world.dataset, user=world.stranger, role=role)


def test_an_archived_dataset_leaves_the_list_and_comes_back(world: World, admin: Client) -> None:
    before = overview(Principal(world.admin))["counts"]
    answer: Any = admin.post(url(world.dataset, "archive"), follow=True)
    assert "is archived: it takes no version and no job" in answer.content.decode()
    listed = f'href="{url(world.dataset)}"'
    assert listed not in admin.get(LIST).content.decode()
    assert overview(Principal(world.admin))["counts"] == {
        **before,
        "datasets": before["datasets"] - 1,
    }
    assert listed in admin.get(f"{LIST}?archived=yes").content.decode()
    page = text_of(admin, world.dataset)
    assert "Take back into use" in page
    assert "Next version" not in page
    admin.post(url(world.dataset, "unarchive"))
    assert listed in admin.get(LIST).content.decode()
    assert listed not in admin.get(f"{LIST}?archived=yes").content.decode()


@pytest.mark.parametrize("page", ["archive", "unarchive"])
def test_looking_at_the_address_archives_nothing(world: World, admin: Client, page: str) -> None:
    assert admin.get(url(world.dataset, page)).status_code == 302
    world.dataset.refresh_from_db()
    assert world.dataset.archived_at is None


def test_rules_retention_and_hold_are_set_on_a_form(world: World, admin: Client) -> None:
    edit = url(world.dataset, "edit")
    changes = {"rules": '{"rows": {"min": 1}}', "retention_days": "30", "legal_hold": "on"}
    assert admin.post(edit, form(world.dataset, **changes)).status_code == 302
    row = Dataset.objects.get(pk=world.dataset.pk)
    assert (row.rules, row.retention_days, row.legal_hold) == ({"rows": {"min": 1}}, 30, True)
    page = text_of(admin, row)
    assert "at least 1 row" in page
    assert "30 days each version, under a legal hold" in page
    assert admin.post(edit, form(row)).status_code == 302
    row.refresh_from_db()
    assert (row.rules, row.retention_days, row.legal_hold) == ({}, None, False)


def test_a_wrong_rule_stands_beside_its_field(world: World, admin: Client) -> None:
    wrong = form(world.dataset, rules='{"columns": {"age": {"min": []}}}')
    answer = admin.post(url(world.dataset, "edit"), wrong)
    assert "at /rules/columns/age/min" in answer.content.decode()


def test_a_manager_of_the_dataset_alone_sets_no_legal_hold(world: World, signed_in: SignIn) -> None:
    granted(world, "manager")
    eve = signed_in(world.stranger)
    assert "legal_hold" not in eve.get(url(world.dataset, "edit")).content.decode()
    Dataset.objects.filter(pk=world.dataset.pk).update(legal_hold=True)
    assert eve.post(url(world.dataset, "edit"), form(world.dataset)).status_code == 302
    assert Dataset.objects.get(pk=world.dataset.pk).legal_hold


def test_a_promotion_is_asked_for_on_the_page(world: World, admin: Client) -> None:
    Dataset.objects.filter(pk=world.dataset.pk).update(rules={"columns": {"age": {"min": 0}}})
    page = text_of(admin, world.table)
    assert f"Ask for {'curated' if world.table.tier == 'raw' else 'product'}" in page
    missing: Any = admin.post(url(world.table, "promote"), {"reason": ""}, follow=True)
    assert "A promotion needs its reason" in missing.content.decode()
    answer = admin.post(url(world.table, "promote"), {"reason": "Cleaned."})
    request = ApprovalRequest.objects.get(subject="tier")
    assert answer["Location"] == url(request)
    assert "Promote" in text_of(admin, request)
    assert "age is at least 0" in text_of(admin, request)
    assert "waits for somebody else" in text_of(admin, world.table)


def test_a_version_that_breaks_a_rule_is_not_asked_for(world: World, admin: Client) -> None:
    Dataset.objects.filter(pk=world.dataset.pk).update(rules={"rows": {"min": 10**9}})
    page = text_of(admin, world.table)
    assert "at least 1,000,000,000 rows" in page
    assert "while it breaks a rule" in page
    answer: Any = admin.post(url(world.table, "promote"), {"reason": "x"}, follow=True)
    assert "breaks 1 of 1 rules" in answer.content.decode()
    assert not ApprovalRequest.objects.filter(subject="tier").exists()


def test_a_version_is_taken_down_a_tier_on_its_page(world: World, admin: Client) -> None:
    rows = DatasetVersion.objects.filter(pk=world.table.pk)
    rows.update(tier="product")
    page = text_of(admin, world.table)
    assert "Not product after all" in page
    missing: Any = admin.post(url(world.table, "demote"), {"tier": "raw"}, follow=True)
    assert "A demotion needs a lower tier, and its reason" in missing.content.decode()
    done: Any = admin.post(
        url(world.table, "demote"), {"tier": "raw", "reason": "In cents."}, follow=True
    )
    page = done.content.decode()
    assert "It is raw now" in page
    assert "after all" not in page
    assert rows.get().tier == "raw"


def test_figures_that_are_being_found_are_waited_for_and_shown(world: World, admin: Client) -> None:
    Dataset.objects.filter(pk=world.dataset.pk).update(rules={"columns": {"age": {"min": 0}}})
    rows = DatasetVersion.objects.filter(pk=world.table.pk)
    figures = world.table.profile

    rows.update(profile=[])
    page = text_of(admin, world.table)
    assert "the figures of the columns are not known yet" in page
    assert "Rules need the figures of its columns" in page
    assert "HX-Refresh" not in admin.get(url(world.table, "reading")).headers

    rows.update(profile=figures)
    assert admin.get(url(world.table, "reading"))["HX-Refresh"] == "true"
    page = text_of(admin, world.table)
    assert ("not known yet" in page, 'svg class="histogram"' in page) == (False, True)

    rows.update(profile=[], read_attempts=5)
    page = text_of(admin, world.table)
    assert ("could not be found" in page, "not known yet" in page) == (True, False)


def test_figures_and_downloads_are_for_who_may_have_the_rows(
    world: World, signed_in: SignIn
) -> None:
    granted(world, "viewer")
    eve = signed_in(world.stranger)
    assert "Download" in text_of(eve, world.table)
    Dataset.objects.filter(pk=world.dataset.pk).update(classification="confidential")
    page = text_of(eve, world.table)
    assert "The rows are confidential" in page
    assert "Download" not in page
    assert "histogram" not in page
    granted(world, "scorer")
    assert "Download" in text_of(eve, world.table)


def test_erased_rows_are_told_of(world: World, admin: Client) -> None:
    DatasetVersion.objects.filter(pk=world.table.pk).update(erased_at=timezone.now(), profile=[])
    page = text_of(admin, world.table)
    assert "The rows were erased on" in page
    assert "Download" not in page
    assert "erased" in text_of(admin, world.dataset)


def test_rules_read_as_words() -> None:
    assert rules_in_words(RULES) == [
        "at least 1 row",
        "a/b is there",
        "age is there, has the type int64, misses at most 5 % of its cells, is at least 0",
        "there are no other columns",
    ]


def test_outcomes_read_as_words() -> None:
    columns = [{"name": "age", "type": "float64"}, {"name": "x", "type": "string"}]
    profile = [{"name": "age", "type": "float64", "nulls": 1, "min": -1.0}]
    found = outcomes_of(RULES, rows=4, columns=columns, profile=profile)
    lines = [(line.words, line.found, line.passed, line.note) for line in outcome_lines(found)]
    assert lines == [
        ("at least 1 row", "4", True, ""),
        ("a/b is there", "", False, "There is no such column."),
        ("age is there", "", True, ""),
        ("age has the type int64", "float64", False, ""),
        ("age misses at most 5 % of its cells", "25 %", False, ""),
        ("age is at least 0", "-1.0", False, ""),
        ("there are no other columns", "x", False, ""),
    ]

"""Who answers for a version: shown, pinned and unpinned over REST and on its page."""

from __future__ import annotations

import pytest
from django.urls import reverse

from registry.actions.compiled import record_compile
from registry.errors import StateConflict
from registry.models import AuditEvent, ModelVersion
from tests import people, things

pytestmark = pytest.mark.django_db

VERSION = "/api/v1/models/churn/versions/1"
PAGE = "admin:registry_modelversion_change"
EVIDENCE = {
    "edition": "1",
    "rows": {"golden": 40, "generated": 10_000, "at thresholds": 800},
    "thresholds": {"tried": 200, "of": 210},
    "rows_that_differ": 0,
    "largest_absolute": 2.2e-16,
    "pace": {
        "rows": 1_000,
        "original": {"one_row_s": 0.009, "all_rows_s": 0.1},
        "onnx": {"one_row_s": 0.00004, "all_rows_s": 0.005},
    },
}


@pytest.fixture
def owner():
    return people.person("olga", role="publisher", is_staff=True)


@pytest.fixture
def version(owner):
    return things.a_version(things.a_model(owner), owner)


def compiled(version, sha256="ab" * 32):
    return record_compile(
        version, compiled_sha256=sha256, verdict="passed", summary="Same.", evidence=EVIDENCE
    )


def patched(person, **body):
    return person.client().patch(VERSION, body, content_type="application/json")


def test_the_runtime_says_what_answers_and_pinning_changes_it(owner, version):
    client = owner.client()
    body = client.get(VERSION).json()
    assert (body["runtime"], body["pinned_to"]) == ("sklearn", None)
    compiled(version)

    assert client.get(VERSION).json()["runtime"] == "onnx"
    body = patched(owner, pinned_to="original", description="Slow but sure.").json()
    assert (body["runtime"], body["pinned_to"]) == ("sklearn", "original")
    assert body["description"] == "Slow but sure."
    assert patched(owner, pinned_to="onnx").json()["runtime"] == "onnx"
    body = patched(owner, pinned_to=None).json()
    assert (body["runtime"], body["pinned_to"]) == ("onnx", None)
    events = AuditEvent.objects.filter(action="version.pin").order_by("id")
    assert [event.after["pinned_to"] for event in events] == ["original", "onnx", ""]


def test_what_is_not_compiled_cannot_be_pinned_to_the_graph(owner, version):
    answer = patched(owner, pinned_to="onnx", description="Not written.")

    assert (answer.status_code, answer.json()["code"]) == (409, "state-conflict")
    version.refresh_from_db()
    assert (version.pinned_to, version.description) == ("", "")
    assert patched(owner, pinned_to="original").status_code == 200


@pytest.mark.parametrize("engine", ["gpu", "", 3, ["onnx"]])
def test_an_unknown_engine_is_an_invalid_field(owner, version, engine):
    answer = patched(owner, pinned_to=engine)

    assert (answer.status_code, answer.json()["pointer"]) == (422, "/pinned_to")


def test_who_may_not_publish_may_not_pin(owner, version):
    mate = people.team_mate(version.model)

    assert patched(mate, pinned_to="original").status_code == 403
    assert patched(people.stranger(), pinned_to="original").status_code == 404


def test_a_pin_to_a_graph_that_is_gone_is_taken_off(owner, version):
    compiled(version)
    patched(owner, pinned_to="onnx")

    record_compile(
        version, compiled_sha256="", verdict="warned", summary="Differs.", evidence={"edition": "2"}
    )

    version.refresh_from_db()
    assert (version.compiled_sha256, version.pinned_to, version.engine) == ("", "", "original")
    assert version.checks.get(name="compile").verdict == "warned"


def test_a_version_that_is_neither_checked_nor_ready_takes_no_graph(owner):
    version = things.a_version(things.a_model(owner), owner, status="pending")

    with pytest.raises(StateConflict):
        compiled(version)


def test_the_page_shows_the_comparison_and_sets_who_answers(owner, version):
    compiled(version)
    browser = owner.session()
    page = browser.get(reverse(PAGE, args=[version.pk])).content.decode()

    assert "The compiled graph, in process" in page
    assert "200 of 210" in page
    assert "9.0 ms alone, 100 µs among many" in page
    browser.post(
        reverse("admin:registry_modelversion_engine", args=[version.pk]), {"engine": "original"}
    )
    version.refresh_from_db()
    assert version.pinned_to == "original"
    page = browser.get(reverse(PAGE, args=[version.pk])).content.decode()
    assert "The original, in the model host" in page


def test_a_pin_that_is_refused_says_why_on_the_page(owner, version):
    browser = owner.session()

    answer = browser.post(
        reverse("admin:registry_modelversion_engine", args=[version.pk]),
        {"engine": "onnx"},
        follow=True,
    )

    assert "has no compiled graph" in answer.content.decode()
    assert ModelVersion.objects.get().pinned_to == ""

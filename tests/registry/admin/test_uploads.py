"""Uploads by form: the same streaming, the same caps and the same refusals as over REST."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from registry import storage
from registry.models import DatasetVersion, ModelVersion, RegisteredModel
from tests.browser.world import World
from tests.registry.admin.conftest import SignIn
from tests.things import kept_files, model_file, scratch_files, sha256, table_file

VERSION = "/admin/registry/modelversion/add/"
DATASET = "/admin/registry/dataset/add/"


@pytest.fixture(autouse=True)
def _silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.queue._ring", lambda *args: None)


@pytest.fixture
def owner(world: World, signed_in: SignIn) -> Client:
    return signed_in(world.owner)


def upload(client: Client, **fields: Any) -> Any:
    form = {"model": "churn", "artifact": model_file(), "format": "", **fields}
    return client.post(VERSION, {k: v for k, v in form.items() if v is not None}, follow=True)


def test_a_file_becomes_a_pending_version_and_its_page_follows(owner: Client) -> None:
    answer = upload(owner, example=table_file(), metrics='{"auc": 0.9}', tags="a: b")
    version = ModelVersion.objects.latest("id")
    assert answer.redirect_chain[-1][0].endswith(f"{version.pk}/")
    assert (version.status, version.format, version.example_format) == ("pending", "pickle", "csv")
    assert (version.metrics, version.tags) == ({"auc": 0.9}, {"a": "b"})
    assert {version.artifact.sha256, version.example_sha256} <= kept_files()
    assert storage.read_blob(version.artifact.sha256).startswith(b"\x80")
    assert not [name for name in scratch_files() if name.endswith(".part")]


def test_a_new_name_makes_the_model_too(owner: Client) -> None:
    upload(owner, model="brand-new")
    assert RegisteredModel.objects.get(name="brand-new").versions.count() == 1


def test_a_script_that_sends_the_form_is_told_the_next_page(owner: Client) -> None:
    answer = owner.post(
        VERSION,
        {"model": "churn", "artifact": model_file("x"), "format": ""},
        headers={"X-Requested-With": "XMLHttpRequest"},
    )
    assert answer.status_code == 204
    assert re.fullmatch(r"/admin/registry/modelversion/[0-9a-f-]{36}/", answer["X-Next-Page"])


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"artifact": None}, "Choose a file"),
        ({"artifact": SimpleUploadedFile("m.pkl", b"")}, "The file is empty"),
        ({"artifact": SimpleUploadedFile("m.pkl", b"a,b\n1,2\n")}, "of no known model format"),
        ({"format": "onnx"}, "onnx"),
        ({"model": "no name"}, "Not a name"),
        ({"metrics": "[1]"}, "An object of numbers was expected"),
        ({"metrics": "{"}, "JSON"),
        (
            {"signature": '{"inputs": [{"name": "a", "type": "x"}], "outputs": []}'},
            "/inputs/0/type",
        ),
    ],
)
def test_what_is_wrong_is_said_on_the_form_and_nothing_is_kept(
    owner: Client, fields: dict[str, Any], word: str
) -> None:
    before = (ModelVersion.objects.count(), RegisteredModel.objects.count(), kept_files())
    answer = upload(owner, **fields)
    assert answer.status_code == 200
    assert word in answer.content.decode()
    assert before == (ModelVersion.objects.count(), RegisteredModel.objects.count(), kept_files())
    assert not [name for name in scratch_files() if name.endswith(".part")]


def test_a_file_over_the_cap_is_refused_while_it_is_read(owner: Client, settings: Any) -> None:
    settings.MODELYARD = {**settings.MODELYARD, "MAX_ARTIFACT_BYTES": 16}
    answer = upload(owner)
    assert "larger than 16 bytes" in answer.content.decode()
    assert not [name for name in scratch_files() if name.endswith(".part")]


def test_whoever_may_not_publish_is_refused_on_the_form(world: World, signed_in: SignIn) -> None:
    before = ModelVersion.objects.count()
    answer = upload(signed_in(world.stranger))
    assert ModelVersion.objects.count() == before
    assert "role publisher" in answer.content.decode()


def test_the_token_against_forgery_is_needed_for_streamed_forms_too(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.owner, backend="django.contrib.auth.backends.ModelBackend")
    before = ModelVersion.objects.count()
    answer = client.post(VERSION, {"model": "churn", "artifact": model_file(), "format": ""})
    assert answer.status_code == 403
    page = client.get(VERSION).content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token is not None
    form = {"model": "churn", "artifact": model_file(), "format": ""}
    answer = client.post(VERSION, {**form, "csrfmiddlewaretoken": token[1]})
    assert answer.status_code == 302
    assert ModelVersion.objects.count() == before + 1


def test_a_table_becomes_a_pending_dataset_version(owner: Client) -> None:
    body = b"age,city\n1,Bari\n"
    form = {"name": "fresh", "file": table_file(body), "tier": "raw", "classification": "public"}
    answer = owner.post(DATASET, form, follow=True)
    version = DatasetVersion.objects.latest("id")
    assert (version.sha256, version.status, version.format) == (sha256(body), "pending", "csv")
    assert version.sha256 in kept_files()
    assert "The file is being read" in answer.content.decode()


def test_the_same_table_again_is_the_same_version(owner: Client) -> None:
    body = b"age,city\n2,Bari\n"
    form = {"name": "twice", "tier": "raw", "classification": "internal"}
    for _ in range(2):
        answer = owner.post(DATASET, {**form, "file": table_file(body)}, follow=True)
    assert DatasetVersion.objects.filter(dataset__name="twice").count() == 1
    assert "nothing was added" in " ".join(str(m) for m in answer.context["messages"])


def test_a_file_that_is_no_table_is_refused_on_its_field(owner: Client) -> None:
    form = {"name": "zip", "tier": "raw", "classification": "internal"}
    answer = owner.post(DATASET, {**form, "file": SimpleUploadedFile("a.bin", b"PK\x03\x04\0\0")})
    assert "field-error" in answer.content.decode()
    assert not DatasetVersion.objects.filter(dataset__name="zip").exists()

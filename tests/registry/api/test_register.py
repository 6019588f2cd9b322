"""Registering a version over REST: what is taken, what is refused at once, and what stays."""

from __future__ import annotations

import io
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from registry import storage
from registry.models import Artifact, ModelVersion, RegisteredModel
from tests import people, things

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("only_our_files")]

VERSIONS = "/api/v1/models/churn/versions"


@pytest.fixture
def owner():
    return people.owner()


@pytest.fixture
def client(owner):
    things.a_model(owner)
    return owner.client()


def assert_nothing_kept():
    assert not ModelVersion.objects.exists()
    assert not Artifact.objects.exists()
    assert things.kept_files() == set()
    assert things.scratch_files() == []


def test_a_registered_version_is_pending_with_a_location_and_its_checks(client):
    form = {
        "artifact": things.model_file(),
        "example": SimpleUploadedFile("rows.csv", b"age\r\n1\r\n"),
        "expected": '{"predictions": [1]}',
        "signature": json.dumps(things.SIGNATURE),
        "metrics": '{"auc": 0.9}',
        "tags": '{"team": "crm"}',
        "description": "first",
        "source": "notebook.ipynb",
    }

    answer = client.post(VERSIONS, form)

    assert answer.status_code == 202
    body = answer.json()
    assert answer["Location"] == body["url"] == f"http://testserver{VERSIONS}/1"
    assert (body["number"], body["status"], body["format"]) == (1, "pending", "pickle")
    assert body["sha256"] == things.sha256(things.model_bytes())
    assert body["size_bytes"] == len(things.model_bytes())
    assert [c["name"] for c in body["checks"]] == [
        "scan",
        "load",
        "signature",
        "golden",
        "compile",
    ]
    assert {c["verdict"] for c in body["checks"]} == {"pending"}
    assert (body["metrics"], body["tags"]) == ({"auc": 0.9}, {"team": "crm"})
    version = ModelVersion.objects.get()
    assert version.declared_signature == things.SIGNATURE
    assert version.example_format == "csv"
    assert storage.read_blob(version.artifact.sha256) == things.model_bytes()
    assert storage.read_blob(version.example_sha256) == b"age\r\n1\r\n"
    assert storage.read_blob(version.expected_sha256) == b'{"predictions": [1]}'
    assert things.scratch_files() == []


def test_json_parts_may_come_as_files_and_the_second_version_is_number_two(client):
    client.post(VERSIONS, {"artifact": things.model_file()})
    tags = SimpleUploadedFile("tags.json", b'{"a": "b"}')

    answer = client.post(VERSIONS, {"artifact": things.model_file("other"), "tags": tags})

    assert (answer.json()["number"], answer.json()["tags"]) == (2, {"a": "b"})


def test_the_file_name_is_a_label_and_never_a_path(client):
    client.post(VERSIONS, {"artifact": things.model_file(name="../../etc/passwd")})

    assert ModelVersion.objects.get().file_label == "passwd"


@pytest.mark.parametrize(
    ("part", "text", "pointer"),
    [
        ("signature", "{", "/signature"),
        ("signature", '{"inputs": []}', "/signature/inputs"),
        ("signature", '{"inputs": [{"name": "a", "type": "int"}]}', "/signature/inputs/0/type"),
        ("metrics", '{"auc": "high"}', "/metrics/auc"),
        ("metrics", "[1]", "/metrics"),
        ("metrics", '{"auc": NaN}', "/metrics"),
        ("tags", '{"team": 5}', "/tags/team"),
        ("tags", "team", "/tags"),
        ("format", "h5", "/format"),
        ("artefact", "x", "/artefact"),
    ],
)
def test_a_part_that_does_not_parse_is_refused_at_once_and_nothing_is_kept(
    client, part, text, pointer
):
    answer = client.post(VERSIONS, {"artifact": things.model_file(), part: text})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-field")
    assert answer.json()["pointer"] == pointer
    assert_nothing_kept()


@pytest.mark.parametrize("body", [b"", b"hello, this is no model", b"\x00" * 100])
def test_an_empty_file_or_unknown_first_bytes_are_unreadable_at_once(client, body):
    answer = client.post(VERSIONS, {"artifact": SimpleUploadedFile("model.pkl", body)})

    assert (answer.status_code, answer.json()["code"]) == (422, "unreadable-artifact")
    assert_nothing_kept()


def test_a_missing_artifact_and_one_without_a_file_name_are_named(client):
    for form in ({"description": "x"}, {"artifact": "text"}):
        answer = client.post(VERSIONS, form)
        assert (answer.status_code, answer.json()["pointer"]) == (422, "/artifact")


def test_a_file_over_the_cap_stops_at_the_cap(client, settings):
    settings.MODELYARD = settings.MODELYARD | {"MAX_ARTIFACT_BYTES": 1000}
    big = SimpleUploadedFile("model.pkl", things.model_bytes() + b"x" * 5000)

    answer = client.post(VERSIONS, {"artifact": big})

    assert (answer.status_code, answer.json()["limit_bytes"]) == (413, 1000)
    assert_nothing_kept()


def test_a_form_far_longer_than_any_cap_is_refused_unread(client, settings):
    settings.MODELYARD = settings.MODELYARD | {
        "MAX_ARTIFACT_BYTES": 1000,
        "MAX_BINARY_BODY_BYTES": 1000,
        "MAX_BODY_BYTES": 1000,
    }

    answer = client.generic(
        "POST",
        VERSIONS,
        b"--b\r\n",
        content_type="multipart/form-data; boundary=b",
        CONTENT_LENGTH=str(1 << 40),
    )

    assert (answer.status_code, answer.json()["limit_bytes"]) == (413, 1000)


def form_bytes(body: bytes) -> bytes:
    head = b'Content-Disposition: form-data; name="artifact"; filename="m.pkl"\r\n\r\n'
    return b"--b\r\n" + head + body + b"\r\n--b--\r\n"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (form_bytes(things.model_bytes())[:-9], "multipart/form-data; boundary=b"),
        (form_bytes(things.model_bytes())[:60], "multipart/form-data; boundary=b"),
        (b"garbage", "multipart/form-data; boundary=b"),
        (form_bytes(b"x"), "multipart/form-data"),
    ],
)
def test_a_form_that_breaks_off_is_malformed_and_nothing_is_kept(client, body, content_type):
    answer = client.generic("POST", VERSIONS, body, content_type=content_type)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-multipart")
    assert_nothing_kept()


def test_a_client_that_goes_away_leaves_nothing(client):
    class Gone(io.BytesIO):
        def read(self, size=-1):
            piece = super().read(min(size, 64) if size > 0 else 64)
            if not piece:
                raise ConnectionResetError
            return piece

    body = form_bytes(things.model_bytes() * 20)

    answer = client.generic(
        "POST",
        VERSIONS,
        b"",
        CONTENT_TYPE="multipart/form-data; boundary=b",
        **{"wsgi.input": Gone(body[:-50]), "CONTENT_LENGTH": str(len(body))},
    )

    assert answer.status_code == 400
    assert_nothing_kept()


def test_the_same_part_twice_is_malformed(client):
    answer = client.post(VERSIONS, {"artifact": [things.model_file(), things.model_file()]})

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-multipart")
    assert_nothing_kept()


def test_other_media_types_are_415_with_both_that_are_taken(client):
    answer = client.post(VERSIONS, "x", content_type="application/octet-stream")

    assert answer.status_code == 415
    assert answer.json()["accepted"] == ["multipart/form-data", "application/json"]


def test_create_makes_the_model_and_without_it_there_is_none(owner):
    client = owner.client()

    missing = client.post(VERSIONS, {"artifact": things.model_file()})
    made = client.post(f"{VERSIONS}?create=true", {"artifact": things.model_file()})

    assert (missing.status_code, missing.json()["code"]) == (404, "model-not-found")
    assert (made.status_code, made.json()["number"]) == (202, 1)
    assert RegisteredModel.objects.get().owner == owner.user


def test_a_refused_upload_does_not_make_the_model_either(owner):
    answer = owner.client().post(
        f"{VERSIONS}?create=true", {"artifact": things.model_file(), "tags": "["}
    )

    assert answer.status_code == 422
    assert not RegisteredModel.objects.exists()
    assert_nothing_kept()


def test_who_may_not_publish_is_refused_before_the_form_is_read(owner):
    model = things.a_model(owner)
    mate = people.team_mate(model).client()

    answer = mate.generic("POST", VERSIONS, b"x", content_type="multipart/form-data; boundary=b")

    assert (answer.status_code, answer.json()["code"]) == (403, "not-allowed")


def test_the_training_dataset_is_linked_and_an_invisible_one_does_not_exist(owner, client):
    things.a_dataset_version(owner)
    stranger = people.person("otto", role="publisher")
    things.a_dataset_version(people.manager(), name="secret")
    form = {"artifact": things.model_file(), "training_dataset": "customers"}

    body = client.post(VERSIONS, form).json()

    assert body["training_dataset"] == "customers@1"
    assert body["links"]["training_dataset"].endswith("/datasets/customers/versions/1")
    mate = people.team_mate(RegisteredModel.objects.get(), role="publisher").client()
    hidden = mate.get(f"{VERSIONS}/1").json()
    assert (hidden["training_dataset"], hidden["links"]["training_dataset"]) == (None, None)
    refused = mate.post(VERSIONS, form | {"artifact": things.model_file()})
    assert (refused.status_code, refused.json()["code"]) == (404, "dataset-not-found")
    assert stranger


def test_a_corrected_version_has_the_same_bytes_and_the_new_signature(owner, client):
    things.a_version(RegisteredModel.objects.get(), owner, tags={"a": "b"})
    corrected = {"from_version": 1, "signature": things.SIGNATURE}

    answer = client.post(VERSIONS, corrected, content_type="application/json")

    body = answer.json()
    assert (answer.status_code, body["number"], body["from_version"]) == (202, 2, 1)
    assert body["sha256"] == things.sha256(things.model_bytes())
    assert body["tags"] == {"a": "b"}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"from_version": 9, "signature": things.SIGNATURE}, 404, "version-not-found"),
        ({"from_version": "1", "signature": things.SIGNATURE}, 422, "invalid-field"),
        ({"from_version": True, "signature": things.SIGNATURE}, 422, "invalid-field"),
        ({"from_version": 1.5, "signature": things.SIGNATURE}, 422, "invalid-field"),
        ({"from_version": 1}, 422, "invalid-field"),
        ({"from_version": 1, "signature": {}}, 422, "invalid-field"),
        ({"from_version": 1, "signature": things.SIGNATURE, "tags": {}}, 422, "invalid-field"),
    ],
)
def test_a_wrong_correction_is_refused(owner, client, body, status, code):
    things.a_version(RegisteredModel.objects.get(), owner)

    answer = client.post(VERSIONS, body, content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_session_needs_the_csrf_token_and_may_send_it_as_a_part(owner):
    things.a_model(owner)
    client = owner.session(enforce_csrf_checks=True)

    refused = client.post(VERSIONS, {"artifact": things.model_file()})
    client.cookies["modelyard-csrf"] = token = "a" * 32
    taken = client.post(VERSIONS, {"artifact": things.model_file(), "csrfmiddlewaretoken": token})

    assert (refused.status_code, refused.json()["code"]) == (403, "not-allowed")
    assert taken.status_code == 202
    assert things.scratch_files() == []


def test_a_form_of_no_bytes_is_malformed_however_it_is_sent(owner):
    things.a_model(owner)
    form = {"CONTENT_TYPE": "multipart/form-data; boundary=frontier", "CONTENT_LENGTH": "0"}
    answer = owner.client().generic("POST", VERSIONS, b"", **form)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-multipart")

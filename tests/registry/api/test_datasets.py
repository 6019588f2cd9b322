"""Datasets over REST: uploading, looking, and fetching the rows again."""

from __future__ import annotations

import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from registry.actions.ingest import ingest_dataset
from registry.actions.profiling import find_profile
from registry.api.uploads import Intake
from registry.models import Dataset, DatasetVersion
from tests import people, things

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("only_our_files")]

DATASETS = "/api/v1/datasets"


@pytest.fixture
def owner():
    return people.owner()


@pytest.fixture
def client(owner):
    return owner.client()


def upload(client, file=None, **fields):
    return client.post(
        DATASETS, {"name": "customers", "file": file or things.table_file()} | fields
    )


def body_of(answer):
    return b"".join(answer.streaming_content)


def test_an_upload_is_pending_with_a_location_and_becomes_ready(client):
    answer = upload(client, tier="curated", classification="internal", description="all of them")

    body = answer.json()
    assert (answer.status_code, body["number"], body["status"]) == (202, 1, "pending")
    assert answer["Location"] == f"http://testserver{DATASETS}/customers/versions/1"
    ingest_dataset(body["id"])
    read = client.get(answer["Location"]).json()
    assert (read["status"], read["rows"], read["tier"]) == ("ready", 3, "curated")
    assert [(c["name"], c["type"]) for c in read["columns"]] == [
        ("age", "int64"),
        ("city", "string"),
    ]
    assert read["columns"][1]["profile"]["nulls"] == 1
    assert things.scratch_files() == []


def test_no_byte_is_taken_from_somebody_who_publishes_nowhere(owner, monkeypatch):
    dataset = things.a_dataset_version(owner, is_read=False).dataset
    taken = []
    monkeypatch.setattr(Intake, "receive_data_chunk", lambda *got: taken.append(got))
    reader = people.team_mate(dataset, role="scorer")
    reader.user.is_staff = True
    reader.user.save()

    for client in (people.stranger().client(), reader.client()):
        assert upload(client).status_code == 403
        assert upload(client, name="another").status_code == 403
    for kind, about in (("dataset", {"name": "customers"}), ("modelversion", {"model": "churn"})):
        form = about | {"file": things.table_file()}
        reader.session().post(reverse(f"admin:registry_{kind}_add"), form)
    assert taken == []


def test_the_dataset_shows_what_is_known_of_its_newest_version(client, owner):
    things.a_dataset_version(owner)

    body = client.get(f"{DATASETS}/customers").json()

    assert (body["latest_version"], body["rows"], body["status"]) == (1, 3, "ready")
    assert [c["name"] for c in body["columns"]] == ["age", "city"]
    assert body["links"]["download"].endswith("/customers/versions/1/download")


def test_the_same_bytes_are_the_same_version_and_other_bytes_the_next(client):
    upload(client)

    same = upload(client)
    other = upload(client, things.table_file(b"age\r\n1\r\n"))

    assert (same.status_code, same.json()["number"]) == (200, 1)
    assert (other.status_code, other.json()["number"]) == (202, 2)


@pytest.mark.parametrize(
    ("name", "body", "format"),
    [
        ("a.csv", b"a\n1\n", "csv"),
        ("A.CSV", b"a\n1\n", "csv"),
        ("a.csv.gz", gzip.compress(b"a\n1\n"), "csv.gz"),
        ("a.jsonl", b'{"a": 1}\n', "jsonl"),
        ("a.json", b'{"a": 1}\n', "jsonl"),
        ("rows", b'{"a": 1}\n', "jsonl"),
        ("rows", b"a\n1\n", "csv"),
        ("rows", b"PAR1rest", "parquet"),
    ],
)
def test_the_format_is_told_by_name_or_first_bytes(client, name, body, format):
    answer = upload(client, SimpleUploadedFile(name, body))

    assert (answer.status_code, answer.json()["format"]) == (202, format)


@pytest.mark.parametrize(
    ("name", "body"), [("a.xlsx", b"PK\x03\x04rest"), ("a.bin", b"\0\1\2"), ("a.json", b"[1]")]
)
def test_what_is_surely_no_table_of_ours_is_refused_at_once(client, name, body):
    answer = upload(client, SimpleUploadedFile(name, body))

    assert (answer.status_code, answer.json()["pointer"]) == (422, "/file")
    assert not Dataset.objects.exists()
    assert things.kept_files() == set()


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"tier": "gold"}, "/tier"),
        ({"classification": "secret"}, "/classification"),
        ({"name": "a b"}, "/name"),
        ({"name": "x" * 64}, "/name"),
        ({"nmae": "x"}, "/nmae"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_kept(client, fields, pointer):
    answer = upload(client, **fields)

    assert (answer.status_code, answer.json()["pointer"]) == (422, pointer)
    assert not Dataset.objects.exists()
    assert things.kept_files() == set()
    assert things.scratch_files() == []


def test_a_file_over_the_cap_is_413_and_nothing_is_kept(client, settings):
    settings.MODELYARD = settings.MODELYARD | {"MAX_DATASET_BYTES": 10}

    answer = upload(client)

    assert (answer.status_code, answer.json()["limit_bytes"]) == (413, 10)
    assert not Dataset.objects.exists()
    assert things.kept_files() == set()


def test_a_rejected_version_says_line_and_column_and_hides_confidential_cells(client):
    body = b"age,city\r\n1,Rome\r\n2\r\n"
    answer = upload(client, things.table_file(body), classification="confidential")
    ingest_dataset(answer.json()["id"])

    read = client.get(answer["Location"]).json()

    assert (read["status"], read["errors"][0]["line"]) == ("rejected", 3)
    assert "received" not in read["errors"][0]
    refused = client.get(f"{DATASETS}/customers/versions/1/download")
    assert (refused.status_code, refused.json()["code"]) == (409, "state-conflict")


def test_rows_come_back_in_each_format_as_they_went_in(client, owner):
    things.a_dataset_version(owner)
    path = f"{DATASETS}/customers/versions/1/download"

    csv = client.get(path)
    assert csv["Content-Type"].startswith("text/csv")
    assert csv["Content-Disposition"] == 'attachment; filename="customers-v1.csv"'
    assert body_of(csv) == things.CUSTOMERS
    assert body_of(client.get(f"{path}?format=original")) == things.CUSTOMERS
    assert body_of(client.get(f"{path}?format=jsonl")).splitlines()[1] == b'{"age":7,"city":"Oslo"}'
    table = pq.read_table(io.BytesIO(body_of(client.get(f"{path}?format=parquet"))))
    assert table.column("age").to_pylist() == [42, 7, 9]
    assert body_of(client.get(f"{DATASETS}/customers/download")) == things.CUSTOMERS
    assert client.get(f"{path}?format=xlsx").json()["code"] == "malformed-parameter"


def test_a_file_comes_whatever_accept_says(client, owner):
    things.a_dataset_version(owner)
    path = f"{DATASETS}/customers/versions/1/download"

    for accept in ("text/csv", "*/*", "application/json", "image/png"):
        assert body_of(client.get(path, headers={"Accept": accept})) == things.CUSTOMERS
    refused = client.get(f"{path}?format=xlsx", headers={"Accept": "text/csv"})
    assert refused.json()["code"] == "malformed-parameter"


def test_an_output_streams_its_parts_in_order_and_has_no_original(client, owner):
    version = things.a_dataset_version(owner)
    name = f"churn-job-{version.pk}-{'x' * 40}"
    output = things.an_output(owner, version, name)
    DatasetVersion.objects.filter(pk=output.pk).update(parts=output.parts * 2)
    path = f"{DATASETS}/{name}/versions/1"

    lines = body_of(client.get(f"{path}/download")).splitlines()
    table = pq.read_table(io.BytesIO(body_of(client.get(f"{path}/download?format=parquet"))))

    assert lines == [b"age,city", *[b"42,Rome", b"7,Oslo", b"9,"] * 2]
    assert table.num_rows == 6
    assert table.schema.field("age").type == pa.int64()
    assert client.get(f"{path}/download?format=original").json()["code"] == "state-conflict"
    before = client.get(path).json()
    assert (before["profile_state"], before["columns"][0]["profile"]) == ("waiting", None)
    find_profile(output.pk)
    after = client.get(path).json()
    assert (after["profile_state"], after["columns"][0]["profile"]["max"]) == ("found", 42)
    assert client.get(path).json()["parents"] == ["customers@1"]
    assert client.get(f"{DATASETS}/customers/versions/1").json()["children"] == [f"{name}@1"]


def test_formulas_are_defused_for_a_session_and_when_asked(client, owner):
    body = b"text,number\r\n=1+1,-5\r\n@x,-6\r\n"
    things.a_dataset_version(owner, body=body)
    path = f"{DATASETS}/customers/versions/1/download"
    safe = b"text,number\r\n'=1+1,-5\r\n'@x,-6\r\n"

    assert body_of(client.get(path)) == body
    assert body_of(client.get(f"{path}?safe=1")) == safe
    assert body_of(owner.session().get(path)) == safe
    assert body_of(owner.session().get(f"{path}?safe=0")) == safe


def test_a_change_of_the_classification_needs_the_role_manager(client, owner):
    things.a_dataset_version(owner, is_read=False)
    mate = people.team_mate(Dataset.objects.get(), role="publisher").client()

    def patch(who, **body):
        return who.patch(f"{DATASETS}/customers", body, content_type="application/json")

    assert patch(mate, description="new").json()["description"] == "new"
    assert patch(mate, classification="public").status_code == 403
    assert patch(owner.client(), classification="public").json()["classification"] == "public"


def test_who_does_not_see_a_dataset_cannot_add_to_it(owner):
    things.a_dataset_version(owner, is_read=False)
    other = people.person("paul")
    people.grant(other, things.a_dataset_version(owner, "own", is_read=False).dataset, "publisher")

    taken = upload(other.client())
    mine = upload(other.client(), things.table_file(b"a\r\n1\r\n"), name="own")

    free = upload(other.client(), name="nobodys")
    assert (taken.status_code, taken.json()["code"]) == (403, "not-allowed")
    assert taken.json()["detail"] == free.json()["detail"]
    assert (mine.status_code, mine.json()["number"]) == (202, 2)


def test_datasets_are_narrowed_down_by_their_newest_version(client, owner):
    things.a_dataset_version(owner, "one", tier="product")
    things.a_dataset_version(owner, "two", is_read=False)

    def names(query):
        return things.listed(client.get(f"{DATASETS}?{query}").json())

    assert names("status=ready") == ["one"]
    assert names("tier=raw") == ["two"]
    assert names("search=TW") == ["two"]
    assert names("ordering=name") == ["one", "two"]


# --- governance ---------------------------------------------------------------------------------


def post(client, path, **body):
    return client.post(f"{DATASETS}/{path}", body, content_type="application/json")


@pytest.mark.parametrize(
    ("classification", "role", "status"),
    [
        ("public", "viewer", 200),
        ("internal", "viewer", 200),
        ("confidential", "viewer", 403),
        ("confidential", "scorer", 200),
        ("restricted", "scorer", 403),
        ("restricted", "publisher", 200),
        ("restricted", "manager", 200),
    ],
)
def test_the_classification_says_who_downloads(owner, classification, role, status):
    version = things.a_dataset_version(owner, classification=classification)
    mate = people.team_mate(version.dataset, role=role).client()

    for path in ("customers/download", "customers/versions/1/download"):
        for format in ("csv", "original"):
            assert mate.get(f"{DATASETS}/{path}?format={format}").status_code == status
    profiles = mate.get(f"{DATASETS}/customers/versions/1").json()["columns"]
    assert all((column["profile"] is None) == (status == 403) for column in profiles)
    profiles = mate.get(f"{DATASETS}/customers").json()["columns"]
    assert all((column["profile"] is None) == (status == 403) for column in profiles)


@pytest.mark.parametrize(
    ("role", "status"), [("viewer", 403), ("publisher", 403), ("approver", 403), ("manager", 200)]
)
def test_a_role_for_everything_opens_restricted_rows_to_managers_alone(owner, role, status):
    things.a_dataset_version(owner, classification="restricted")
    anybody = people.person("rita", role=role).client()

    answer = anybody.get(f"{DATASETS}/customers/download")

    assert answer.status_code == status
    if status == 403:
        assert "publisher" in answer.json()["detail"] or "publish" in answer.json()["detail"]


def test_a_key_needs_the_scope_for_the_rows(owner):
    things.a_dataset_version(owner, classification="confidential")

    refused = owner.client(scopes=["read"]).get(f"{DATASETS}/customers/download")

    assert (refused.status_code, refused.json()["code"]) == (403, "not-allowed")
    assert refused.json()["detail"] == "The key needs the scope “score”."
    scored = owner.client(scopes=["read", "score"]).get(f"{DATASETS}/customers/download")
    assert scored.status_code == 200


def test_erased_rows_are_gone_and_say_so(client, owner):
    version = things.a_dataset_version(owner)
    DatasetVersion.objects.filter(pk=version.pk).update(erased_at="2026-02-03T04:05:06Z")

    for path in ("customers/download", "customers/versions/1/download?format=original"):
        answer = client.get(f"{DATASETS}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (410, "rows-erased")
        assert answer.json()["detail"] == "The rows of customers@1 were erased on 2026-02-03."
    assert client.get(f"{DATASETS}/customers/versions/1").json()["erased_at"].startswith("2026-02")


def test_an_archived_dataset_is_in_no_list_unless_asked_for(client, owner):
    things.a_dataset_version(owner, is_read=False)
    things.a_dataset_version(owner, "orders", is_read=False)

    archived = post(client, "customers/archive")

    assert (archived.status_code, archived.json()["archived_at"] is None) == (200, False)
    assert things.listed(client.get(DATASETS).json()) == ["orders"]
    assert things.listed(client.get(f"{DATASETS}?archived=true").json()) == ["customers"]
    assert client.get(f"{DATASETS}/customers").status_code == 200
    assert upload(client, things.table_file(b"a\r\n1\r\n")).json()["code"] == "state-conflict"
    assert post(client, "customers/archive").status_code == 409
    assert post(client, "customers/unarchive").json()["archived_at"] is None
    assert things.listed(client.get(DATASETS).json()) == ["orders", "customers"]


def test_rules_retention_and_hold_are_set_and_shown(owner):
    things.a_dataset_version(owner, is_read=False)
    client = owner.client()
    rules = {"rows": {"min": 1}, "columns": {"age": {"max": 120}}}

    body = {"rules": rules, "retention_days": 30}
    answer = client.patch(f"{DATASETS}/customers", body, content_type="application/json")

    shown = answer.json()
    assert (shown["rules"], shown["retention_days"], shown["legal_hold"]) == (rules, 30, False)
    wrong = {"rules": {"columns": {"age": {"max": []}}}}
    answer = client.patch(f"{DATASETS}/customers", wrong, content_type="application/json")
    assert (answer.status_code, answer.json()["pointer"]) == (422, "/rules/columns/age/max")


def test_a_version_is_promoted_by_two_people(client, owner):
    things.a_dataset_version(owner)
    Dataset.objects.update(rules={"rows": {"min": 3}, "columns": {"age": {"max": 120}}})
    path = "customers/versions/1"

    rules = client.get(f"{DATASETS}/{path}/rules").json()
    assert rules["passed"] is True
    assert rules["outcomes"][0] == {
        "rule": "rows/min",
        "expected": 3,
        "found": 3,
        "passed": True,
        "note": "",
    }
    asked = post(client, f"{path}/promote", tier="curated", reason="Cleaned.")
    request = asked.json()
    assert (asked.status_code, request["subject"], request["tier"]) == (202, "tier", "curated")
    assert (request["dataset"], request["dataset_version"], request["model"]) == (
        "customers",
        1,
        None,
    )
    assert asked["Location"] == request["url"]
    own = client.post(f"{request['url']}/approve", {"reason": "x"}, content_type="application/json")
    assert own.status_code == 403
    anna = people.approver().client()
    said = {"reason": "The figures hold."}
    done = anna.post(f"{request['url']}/approve", said, content_type="application/json")
    assert (done.status_code, done.json()["state"]) == (200, "approved")
    assert client.get(f"{DATASETS}/{path}").json()["tier"] == "curated"


def test_a_promotion_that_breaks_rules_says_which(client, owner):
    things.a_dataset_version(owner)
    Dataset.objects.update(rules={"rows": {"min": 4}})

    answer = post(client, "customers/versions/1/promote", tier="curated", reason="Cleaned.")

    body = answer.json()
    assert (answer.status_code, body["code"]) == (422, "rules-not-met")
    assert [(o["rule"], o["found"], o["passed"]) for o in body["outcomes"]] == [
        ("rows/min", 3, False)
    ]
    assert client.get("/api/v1/approvals").json()["count"] == 0


def test_a_stranger_finds_nothing_to_archive_or_promote(owner):
    things.a_dataset_version(owner)
    sam = people.stranger().client()

    for path in ("archive", "unarchive", "versions/1/promote"):
        here = post(sam, f"customers/{path}", tier="curated", reason="x")
        nowhere = post(sam, f"nothing/{path}", tier="curated", reason="x")
        assert (here.status_code, here.json()["code"]) == (404, "dataset-not-found")
        assert nowhere.json()["detail"] == here.json()["detail"].replace("customers", "nothing")
    assert sam.get(f"{DATASETS}/customers/versions/1/rules").status_code == 404

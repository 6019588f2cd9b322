"""Lineage over jobs and routes: from end to end by ids, bounded, and only what may be seen."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from registry.ids import uuid7
from registry.models import Dataset, DatasetVersion, ModelVersion, RegisteredModel
from registry.principals import Principal
from serving.actions.drive import drive
from serving.models import BatchJob, Route, RouteTarget
from tests.people import Person, grant, owner, stranger, team_mate
from tests.serving.batch import ledger
from tests.serving.batch.ledger import ObedientHost

pytestmark = pytest.mark.django_db


@pytest.fixture
def olga(db: None) -> Person:
    return owner()


@pytest.fixture
def chain(olga: Person, host: ObedientHost) -> dict[str, Any]:
    """History trained churn, which scored customers; the answers trained second."""
    history = ledger.dataset_of(olga.by, ledger.people_rows(5), "history")
    churn = ledger.ready_version(olga.by)
    ModelVersion.objects.filter(pk=churn.pk).update(training_dataset=history)
    customers = ledger.dataset_of(olga.by, ledger.people_rows(5))
    job = ledger.ask(olga.by)
    drive(owner="w1")
    job.refresh_from_db()
    second = ledger.ready_version(olga.by, "second")
    ModelVersion.objects.filter(pk=second.pk).update(training_dataset=job.output)
    route = Route.objects.create(model=churn.model, updated_by=olga.user)
    RouteTarget.objects.create(route=route, version=churn, weight=100, place=0)
    return {
        "history": ("dataset-version", history.pk),
        "churn": ("version", churn.pk),
        "customers": ("dataset-version", customers.pk),
        "job": ("batch-job", job.pk),
        "output": ("dataset-version", job.output_id),
        "second": ("version", second.pk),
        "alias": ("alias", churn.aliases.get().pk),
        "route": ("route", route.pk),
    }


def lineage(client: Client, kind: str, pk: object, query: str = "") -> Any:
    answer = client.get(f"/api/v1/lineage/{kind}/{pk}{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def steps(body: Any, side: str) -> set[tuple[str, str, str]]:
    return {(step["relation"], step["kind"], step["id"]) for step in body[side]}


WAY = [
    ("history", "trained", "churn"),
    ("churn", "scored", "job"),
    ("churn", "answers as", "alias"),
    ("churn", "named by", "route"),
    ("customers", "read by", "job"),
    ("job", "made", "output"),
    ("output", "trained", "second"),
]
BACK = [
    ("second", "trained on", "output"),
    ("output", "made by", "job"),
    ("output", "made from", "customers"),
    ("job", "reads", "customers"),
    ("job", "scores with", "churn"),
    ("alias", "points to", "churn"),
    ("route", "leads to", "churn"),
    ("churn", "trained on", "history"),
]


@pytest.mark.parametrize(("start", "relation", "end"), WAY)
def test_each_step_leads_on_by_its_id(
    olga: Person, chain: dict[str, Any], start: str, relation: str, end: str
) -> None:
    body = lineage(olga.client(), *chain[start])
    kind, pk = chain[end]
    assert (relation, kind, str(pk)) in steps(body, "children")


@pytest.mark.parametrize(("start", "relation", "end"), BACK)
def test_each_step_leads_back_by_its_id(
    olga: Person, chain: dict[str, Any], start: str, relation: str, end: str
) -> None:
    body = lineage(olga.client(), *chain[start])
    kind, pk = chain[end]
    assert (relation, kind, str(pk)) in steps(body, "parents")


def test_one_call_goes_from_one_end_to_the_other(olga: Person, chain: dict[str, Any]) -> None:
    body = lineage(olga.client(), *chain["history"], "?depth=4")
    hops = {node["id"]: node["hops"] for node in body["nodes"]}
    ends = [str(chain[name][1]) for name in ("history", "churn", "job", "output", "second")]
    assert [hops[end] for end in ends] == [0, 1, 2, 3, 4]
    edges = {(edge["parent"], edge["child"]) for edge in body["edges"]}
    assert set(pairwise(ends)) <= edges
    assert (body["more"], body["is_cut"]) == ([], False)

    back = lineage(olga.client(), *chain["second"], "?depth=4")
    hops = {node["id"]: node["hops"] for node in back["nodes"]}
    # The shorter way: the output names what it was made from, and the job that made it.
    assert [hops[end] for end in ends] == [-4, -3, -2, -1, 0]
    assert hops[str(chain["customers"][1])] == -2


def test_the_same_way_goes_by_expanding(olga: Person, chain: dict[str, Any]) -> None:
    client = olga.client()
    expanded = client.get(
        "/api/v1/datasets/history/versions/1?expand=trained_versions.batch_jobs.output_version"
    ).json()
    (version,) = expanded["trained_versions"]
    (job,) = version["batch_jobs"]
    assert (job["id"], job["output_version"]["id"]) == (
        str(chain["job"][1]),
        str(chain["output"][1]),
    )
    url = job["output_version"]["url"]
    (second,) = client.get(f"{url}?expand=trained_versions").json()["trained_versions"]
    assert second["id"] == str(chain["second"][1])
    back = client.get(f"{url}?expand=made_by.version.training_dataset").json()
    assert back["made_by"][0]["version"]["training_dataset"]["id"] == str(chain["history"][1])


def test_a_version_compared_in_a_job_knows_it(olga: Person, chain: dict[str, Any]) -> None:
    job = BatchJob.objects.get(pk=chain["job"][1])
    other = ledger.ready_version(olga.by, "other")
    BatchJob.objects.filter(pk=job.pk).update(compared_version=other, compared_sha256="0" * 64)
    body = lineage(olga.client(), "version", other.pk)
    assert ("compared in", "batch-job", str(job.pk)) in steps(body, "children")
    back = lineage(olga.client(), *chain["job"])
    assert ("compared with", "version", str(other.pk)) in steps(back, "parents")


def test_of_many_the_newest_are_shown_and_the_others_counted(
    olga: Person, chain: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.api.doors.lineage.STEPS_MAX", 3)
    history = DatasetVersion.objects.get(pk=chain["history"][1])
    for index in range(9):
        version = ledger.ready_version(olga.by, f"model-{index}")
        ModelVersion.objects.filter(pk=version.pk).update(training_dataset=history)
    body = lineage(olga.client(), *chain["history"])
    assert [step["name"] for step in body["children"]] == [
        f"model-{n} version 1" for n in (8, 7, 6)
    ]
    (rest,) = body["more"]
    assert rest == {
        "id": str(history.pk),
        "side": "children",
        "relation": "trained",
        "kind": "version",
        "count": 7,
    }


def test_a_graph_has_an_end_however_much_there_is(
    olga: Person, chain: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.api.doors.lineage.NODES_MAX", 3)
    body = lineage(olga.client(), *chain["history"], "?depth=6")
    assert body["is_cut"]
    assert len(body["nodes"]) < 6


def test_a_walk_looks_at_so_many_neighbours_and_says_that_it_has_stopped(
    olga: Person, chain: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.api.doors.lineage.LOOKS_MAX", 3)
    body = lineage(olga.client(), *chain["history"], "?depth=6")
    assert body["is_cut"]
    assert max(node["hops"] for node in body["nodes"]) == 2
    short = lineage(olga.client(), *chain["history"], "?depth=1")
    assert not short["is_cut"]


@pytest.mark.parametrize("depth", ["0", "7", "-1", "many", ""])
def test_a_depth_is_a_number_within_bounds(olga: Person, chain: dict[str, Any], depth: str) -> None:
    kind, pk = chain["churn"]
    answer = olga.client().get(f"/api/v1/lineage/{kind}/{pk}?depth={depth}")
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-parameter")


def test_who_sees_a_part_sees_that_part_of_the_graph(olga: Person, chain: dict[str, Any]) -> None:
    mate = team_mate(RegisteredModel.objects.get(name="churn"))
    grant(mate, Dataset.objects.get(name="customers"), "viewer")
    body = lineage(mate.client(), *chain["churn"], "?depth=4")
    seen = {node["id"] for node in body["nodes"]}
    assert seen == {str(chain[name][1]) for name in ("churn", "job", "alias", "route")}
    assert all({edge["parent"], edge["child"]} <= seen for edge in body["edges"])
    for kind, pk in chain.values():
        assert stranger_client().get(f"/api/v1/lineage/{kind}/{pk}").status_code == 404


def stranger_client() -> Client:
    from registry.models import User

    found = User.objects.filter(username="sam").first()
    return (Person(found) if found else stranger()).client()


def test_what_is_not_walked_costs_nothing(
    olga: Person, chain: dict[str, Any], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = olga.client()
    with django_assert_max_num_queries(40):
        lineage(client, *chain["churn"])
    with django_assert_max_num_queries(70):
        lineage(client, *chain["churn"], "?depth=6")


@pytest.mark.postgres
def test_on_postgresql_a_walk_costs_no_more_with_a_thousand_versions(
    transactional_ana: Principal, host: ObedientHost
) -> None:
    """History trained churn, which scored customers; the answers trained all versions of second."""
    ana = transactional_ana
    history = ledger.dataset_of(ana, ledger.people_rows(5), "history")
    ledger.dataset_of(ana, ledger.people_rows(5))
    ModelVersion.objects.update(training_dataset=history)
    job = ledger.ask(ana)
    drive(owner="w1")
    job.refresh_from_db()
    second = ledger.ready_version(ana, "second")
    ModelVersion.objects.filter(pk=second.pk).update(training_dataset=job.output)
    train_more(second, job.output, numbers=range(2, 301))
    client = Person(ana.user).client()

    lineage(client, "dataset-version", job.output.pk)  # the first request of a process asks more
    queries = {}
    for count in (300, 1_000):
        train_more(second, job.output, numbers=range(second.model.versions.count() + 1, count + 1))
        for depth in (1, 6):
            with CaptureQueriesContext(connection) as asked:
                body = lineage(client, "dataset-version", job.output.pk, f"?depth={depth}")
            queries[count, depth] = len(asked)
            hops = {node["hops"] for node in body["nodes"]}
            assert hops == {1: {-1, 0, 1}, 6: {-3, -2, -1, 0, 1}}[depth]
            (rest,) = body["more"]
            assert (rest["relation"], rest["count"]) == ("trained", count - 200)

    assert [queries[1_000, depth] for depth in (1, 6)] == [queries[300, depth] for depth in (1, 6)]
    # One look at each side; then at sixty objects, about five kinds of neighbours of each.
    assert (queries[1_000, 1] <= 40, queries[1_000, 6] <= 350) == (True, True), queries


def train_more(like: ModelVersion, rows: DatasetVersion, numbers: range) -> None:
    """Further versions like one, trained on rows."""
    fields = {f.attname: getattr(like, f.attname) for f in ModelVersion._meta.concrete_fields}
    fields |= {"training_dataset_id": rows.pk}
    ModelVersion.objects.bulk_create(
        ModelVersion(**{**fields, "id": uuid7(), "number": number}) for number in numbers
    )

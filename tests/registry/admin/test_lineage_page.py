"""The lineage of an object, drawn: what stands where, what is counted, and for whom."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from django.test import Client
from django.urls import reverse

from registry.admin.lineage_drawing import BOX_HEIGHT, BOX_WIDTH, Drawing
from registry.models import DatasetVersion, ModelVersion
from serving.models import BatchJob
from tests.browser.world import World
from tests.registry.admin.conftest import SignIn


@pytest.fixture
def owner(world: World, signed_in: SignIn) -> Client:
    return signed_in(world.owner)


def drawn(client: Client, kind: str, pk: object, query: str = "") -> Any:
    answer = client.get(reverse("admin:lineage", args=[kind, pk]) + query)
    assert answer.status_code == 200
    return answer


def columns(drawing: Drawing) -> list[list[str]]:
    """The labels in each column, from the left, each from the top."""
    found: dict[float, list[tuple[float, str]]] = {}
    for box in drawing.boxes:
        found.setdefault(box.x, []).append((box.y, box.node.label))
    return [[label for _, label in sorted(found[x])] for x in sorted(found)]


@pytest.fixture
def chain(world: World) -> dict[str, Any]:
    """The table trained churn, which scored it; the answers trained another version."""
    job = world.rejecting
    ModelVersion.objects.filter(pk=job.version_id).update(training_dataset=world.table)
    later = ModelVersion.objects.exclude(pk=job.version_id).latest("id")
    ModelVersion.objects.filter(pk=later.pk).update(training_dataset=job.output)
    return {"table": world.table, "version": job.version, "job": job, "later": later}


def test_from_either_end_the_way_is_drawn_in_the_same_order(
    owner: Client, chain: dict[str, Any]
) -> None:
    job, later = chain["job"], chain["later"]
    way = [
        str(chain["table"]),
        str(chain["version"]),
        f"{job.model.name} {job.version.number} on {job.dataset_version}",
        str(job.output),
        str(later),
    ]
    for kind, pk in (("dataset-version", chain["table"].pk), ("version", later.pk)):
        found = columns(drawn(owner, kind, pk).context["drawing"])
        at = [next(n for n, labels in enumerate(found) if label in labels) for label in way]
        assert at == sorted(set(at)), (kind, found)


def test_boxes_do_not_overlap_and_lie_within_the_drawing(
    owner: Client, chain: dict[str, Any]
) -> None:
    drawing = drawn(owner, "dataset-version", chain["table"].pk, "?depth=6").context["drawing"]
    corners = [(box.x, box.y) for box in drawing.boxes]
    assert len(set(corners)) == len(corners) > 4
    for x, y in corners:
        assert 0 <= x <= drawing.width - BOX_WIDTH
        assert 0 <= y <= drawing.height - BOX_HEIGHT
        below = [other for other_x, other in corners if other_x == x and other > y]
        assert all(other - y >= BOX_HEIGHT for other in below)


def test_the_page_draws_links_and_says_the_same_in_words(
    owner: Client, chain: dict[str, Any]
) -> None:
    answer = drawn(owner, "version", chain["version"].pk)
    page = answer.content.decode()
    svg = page[
        page.index('<svg class="lineage"') : page.index("</svg>", page.index('class="lineage"')) + 6
    ]
    tree = ElementTree.fromstring(svg)
    targets = {link.attrib["href"] for link in tree.iter("a")}
    assert reverse("admin:serving_batchjob_change", args=[chain["job"].pk]) in targets
    assert reverse("admin:registry_datasetversion_change", args=[chain["table"].pk]) in targets
    assert "style=" not in svg
    assert "<script" not in svg
    relations = {(step["near"]["label"], step["relation"]) for step in answer.context["steps"]}
    assert (str(chain["version"]), "trained on") in relations
    for target in targets:
        assert owner.get(target).status_code == 200


def test_a_job_between_two_datasets_stands_for_their_direct_line(
    owner: Client, chain: dict[str, Any]
) -> None:
    steps = drawn(owner, "dataset-version", chain["table"].pk).context["steps"]
    joined = {(s["near"]["label"], s["far"]["label"]) for s in steps}
    assert (str(chain["table"]), str(chain["job"].output)) not in joined
    output = drawn(owner, "dataset-version", chain["job"].output_id, "?depth=1")
    assert any(s["relation"] == "made from" for s in output.context["steps"])


def test_of_many_some_are_drawn_and_the_others_counted(
    owner: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.admin.lineage.DRAWN", 1)
    ModelVersion.objects.update(training_dataset=world.table)
    others = ModelVersion.objects.count() - 1
    answer = drawn(owner, "dataset-version", world.table.pk, "?depth=1")
    assert f"and {others} more" in [rest.text for rest in answer.context["drawing"].rests]
    assert f"and {others} more" in answer.content.decode()


def test_a_drawing_with_too_much_says_so(
    owner: Client, chain: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.admin.lineage.DRAWN_IN_ALL", 2)
    page = drawn(owner, "dataset-version", chain["table"].pk).content.decode()
    assert "more than one page can show" in page


def test_what_stands_alone_says_so(owner: Client, world: World) -> None:
    lonely = DatasetVersion.objects.filter(
        parents=None, children=None, trained=None, batch_jobs=None
    )
    row = lonely.first()
    assert row is not None
    assert "It stands alone" in drawn(owner, "dataset-version", row.pk).content.decode()


def test_a_stranger_and_a_wrong_kind_find_nothing(
    world: World, signed_in: SignIn, chain: dict[str, Any]
) -> None:
    stranger, owner = signed_in(world.stranger), signed_in(world.owner)
    for kind, row in (("version", chain["version"]), ("batch-job", chain["job"])):
        url = reverse("admin:lineage", args=[kind, row.pk])
        assert stranger.get(url).status_code == 404
        assert Client().get(url).status_code == 302
    assert owner.get(reverse("admin:lineage", args=["planet", chain["job"].pk])).status_code == 404
    assert owner.get(reverse("admin:lineage", args=["dataset", chain["job"].pk])).status_code == 404


@pytest.mark.parametrize("depth", ["0", "99", "x", "١", "-3", ""])
def test_any_depth_is_drawn_within_bounds(owner: Client, world: World, depth: str) -> None:
    assert 1 <= drawn(owner, "model", world.model.pk, f"?depth={depth}").context["depth"] <= 6


def test_pages_of_versions_datasets_and_jobs_name_their_neighbours(
    owner: Client, chain: dict[str, Any]
) -> None:
    pages = {
        "registry_modelversion_change": chain["version"].pk,
        "registry_datasetversion_change": chain["table"].pk,
        "serving_batchjob_change": chain["job"].pk,
    }
    kinds = ("version", "dataset-version", "batch-job")
    for (name, pk), kind in zip(pages.items(), kinds, strict=True):
        page = owner.get(reverse(f"admin:{name}", args=[pk])).content.decode()
        assert reverse("admin:lineage", args=[kind, pk]) in page
    page = owner.get(reverse("admin:registry_modelversion_change", args=[chain["version"].pk]))
    assert str(chain["table"]) in page.content.decode()
    assert BatchJob.objects.filter(pk=chain["job"].pk).exists()

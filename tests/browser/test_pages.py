"""Every page in a real browser, wide and narrow, light and dark: no complaint, no overhang."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from tests.browser.world import World, make_world

pytestmark = pytest.mark.browser

WIDE: ViewportSize = {"width": 1280, "height": 900}
NARROW: ViewportSize = {"width": 375, "height": 812}
# Each page is drawn in one look, and the window is then made as wide as in the other.
LOOKS = [
    pytest.param((WIDE, "light"), NARROW, id="wide-light-then-narrow"),
    pytest.param((NARROW, "dark"), WIDE, id="narrow-dark-then-wide"),
]
LISTS = (
    "registry_registeredmodel",
    "registry_modelversion",
    "registry_dataset",
    "registry_apikey",
    "registry_user",
    "auth_group",
    "serving_batchjob",
    "serving_schedule",
)
ROWS = (
    ("registry_registeredmodel", "model", ("change", "edit", "card", "card-edit")),
    ("registry_modelversion", "ready", ("change", "edit", "correct")),
    ("registry_modelversion", "pending", ("change",)),
    ("registry_modelversion", "quarantined", ("change",)),
    ("registry_modelversion", "rejected", ("change",)),
    ("registry_approvalrequest", "approval", ("change",)),
    ("registry_dataset", "dataset", ("change", "edit")),
    ("registry_datasetversion", "table", ("change",)),
    ("registry_datasetversion", "refused", ("change",)),
    ("registry_datasetversion", "waiting", ("change",)),
    ("registry_apikey", "key", ("change",)),
    ("registry_user", "owner", ("change", "password")),
    ("serving_batchjob", "running", ("change", "chunks")),
    ("serving_batchjob", "compared", ("change", "comparison")),
    ("serving_batchjob", "failed", ("change",)),
    ("serving_batchjob", "rejecting", ("change",)),
    ("serving_schedule", "schedule", ("change", "edit")),
)
# Says what the policy has refused, wherever it happens.
LISTEN = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`);
});
"""


@pytest.fixture
def world(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("registry.queue._ring", lambda *args: None)
    return make_world()


def addresses(world: World) -> list[str]:
    """Every page of the admin, and the reference."""
    named = [reverse(f"admin:{name}_{page}") for name in LISTS for page in ("changelist", "add")]
    named += [
        reverse(f"admin:{name}_{page}", args=[getattr(world, row).pk])
        for name, row, pages in ROWS
        for page in pages
    ]
    history = reverse(
        "admin:registry_registeredmodel_alias-history", args=[world.model.pk, "champion"]
    )
    lineage = [
        reverse("admin:lineage", args=[kind, row.pk])
        for kind, row in (("model", world.model), ("batch-job", world.rejecting))
    ]
    lists = ("registry_approvalrequest", "registry_datasetversion", "registry_auditevent")
    others = [reverse(f"admin:{name}_changelist") for name in lists]
    return [
        "/admin/",
        *named,
        *others,
        *lineage,
        history,
        f"{history}?at=2999-01-01T00:00:00Z",
        "/admin/password_change/",
        "/docs",
        "/docs/errors",
    ]


class Visit:
    """One signed-in browser; ``complaints`` are what its console said."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        self.base = base
        self.complaints: list[str] = []
        context.add_init_script(LISTEN)
        self.page: Page = context.new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def open(self, path: str) -> int:
        """The status of the page, once it is drawn."""
        answer = self.page.goto(self.base + path, wait_until="load")
        assert answer is not None
        return answer.status

    def overhang(self) -> int:
        """How many pixels the page is wider than the window."""
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self.page.evaluate(width))


@pytest.fixture
def visit(
    request: pytest.FixtureRequest, world: World, live_server: Any, browser: Browser
) -> Iterator[Visit]:
    """Signed in as the admin, in the window that the test asks for."""
    viewport, scheme = getattr(request, "param", (WIDE, "light"))
    context = browser.new_context(viewport=viewport, color_scheme=scheme)
    client = Client()
    client.force_login(world.admin, backend="django.contrib.auth.backends.ModelBackend")
    cookies = [
        {"name": name, "value": morsel.value, "url": live_server.url}
        for name, morsel in client.cookies.items()
    ]
    context.add_cookies(cookies)  # type: ignore[arg-type]  # plain dicts will do
    yield Visit(context, live_server.url)
    context.close()


@pytest.mark.parametrize(("visit", "other"), LOOKS, indirect=["visit"])
def test_no_page_complains_or_sticks_out(visit: Visit, world: World, other: ViewportSize) -> None:
    faults = []
    drawn = visit.page.viewport_size
    assert drawn is not None
    for path in addresses(world):
        visit.complaints.clear()
        status = visit.open(path)
        if status != 200:
            faults.append(f"{path}: status {status}")
        for window in (drawn, other):
            visit.page.set_viewport_size(window)
            if (overhang := visit.overhang()) > 0:
                faults.append(f"{path}: {overhang} px too wide for {window['width']}")
        visit.page.set_viewport_size(drawn)
        faults += [f"{path}: {complaint}" for complaint in visit.complaints]
    assert not faults


def test_the_sign_in_leads_to_the_first_page_and_refuses_kindly(
    world: World, live_server: Any, browser: Browser
) -> None:
    context = browser.new_context(viewport=NARROW)
    visit = Visit(context, live_server.url)
    visit.open("/admin/")
    visit.page.fill("#id_username", "ada")
    visit.page.fill("#id_password", "wrong")
    visit.page.click("button >> text=Sign in")
    visit.page.wait_for_selector("[role=alert] >> text=User name or password is wrong")
    visit.page.fill("#id_password", "a-long-password-for-tests")
    visit.page.click("button >> text=Sign in")
    visit.page.wait_for_selector("h1:has-text('Overview')")
    assert not visit.complaints
    context.close()


def test_the_theme_is_toggled_and_kept(visit: Visit) -> None:
    visit.open("/admin/")
    before = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    visit.page.click(".theme-toggle")
    visit.open("/admin/registry/registeredmodel/")
    assert visit.page.get_attribute("html", "data-theme") == "dark"
    assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    assert not visit.complaints


@pytest.mark.parametrize("visit", [(NARROW, "light")], indirect=True)
def test_the_navigation_opens_on_a_narrow_screen(visit: Visit) -> None:
    visit.open("/admin/")
    assert not visit.page.is_visible("#navigation")
    visit.page.click("text=Menu")
    visit.page.click("#navigation >> text=Schedules")
    visit.page.wait_for_selector("h1:has-text('Schedules')")


def test_the_next_times_follow_what_is_typed(visit: Visit) -> None:
    visit.open("/admin/serving/schedule/add/")
    visit.page.fill("#id_cron", "7 3 * * mon")
    visit.page.wait_for_selector("#next-times:has-text('03:07')")
    visit.page.fill("#id_cron", "7 3")
    visit.page.wait_for_selector("#next-times:has-text('Five fields')")
    assert not visit.complaints


def test_the_checks_stop_asking_once_the_version_is_settled(visit: Visit, world: World) -> None:
    asked: list[str] = []
    visit.page.on("request", lambda r: asked.append(r.url) if "/checks/" in r.url else None)
    visit.open(reverse("admin:registry_modelversion_change", args=[world.pending.pk]))
    visit.page.wait_for_event("requestfinished", predicate=lambda r: "/checks/" in r.url)
    type(world.pending).objects.filter(pk=world.pending.pk).update(status="rejected")
    visit.page.wait_for_selector(".head .badge-bad")
    count = len(asked)
    visit.page.wait_for_timeout(2000)
    assert len(asked) == count
    assert not visit.complaints


def test_an_upload_shows_its_way_and_ends_on_the_version(
    visit: Visit, world: World, tmp_path: Any
) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(b"\x80\x04}q\x00.")
    visit.open("/admin/registry/modelversion/add/?model=churn")
    visit.page.click("button[type=submit] >> text=Upload")
    visit.page.wait_for_selector("text=Choose a file.")
    visit.page.set_input_files("#id_artifact", str(file))
    visit.page.click("button[type=submit] >> text=Upload")
    visit.page.wait_for_url(re.compile(r"/modelversion/[0-9a-f-]{36}/$"))
    assert "pending" in visit.page.inner_text(".head")
    assert not visit.complaints


def test_a_sha256_is_copied_with_a_click(visit: Visit, world: World) -> None:
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.open(reverse("admin:registry_modelversion_change", args=[world.ready.pk]))
    visit.page.click(".digest .copy")
    visit.page.wait_for_selector(".digest .copy:has-text('Copied')")
    copied = visit.page.evaluate("navigator.clipboard.readText()")
    assert copied == world.ready.artifact.sha256


def test_the_keyboard_reaches_the_content_first(visit: Visit) -> None:
    visit.open("/admin/")
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("document.activeElement.className") == "skip"
    visit.page.keyboard.press("Enter")
    visit.page.keyboard.press("Tab")
    assert visit.page.evaluate("!!document.activeElement.closest('main')")

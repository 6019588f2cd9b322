"""`manage.py up` as a newcomer meets it; without the demo, which the flows have."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.services.processes import living_in, wait_until
from tests.services.stack import Stack, Start, end_stack, start_stack

pytestmark = pytest.mark.long
PARTS = ("valkey", "web", "modelhost", "worker", "beat")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Stack:  # type: ignore[misc]
    """A first start, shared by the tests that leave it running."""
    started = start_stack(tmp_path_factory.mktemp("stack"), DEMO="0")
    try:
        started.wait_until_ready()
        yield started
    finally:
        end_stack(started)


def processes_of(home: Path, word: str) -> list[int]:
    return [pid for pid, command in living_in(home).items() if word in command]


def test_the_first_start_says_where_who_and_how(stack: Stack) -> None:
    ready, user, password, curl = stack.output
    assert ready == f"ready {stack.url}\n"
    assert user == "admin user: admin\n"
    assert re.fullmatch(r"admin password: \S{20}\n", password)
    assert curl == f"curl -s {stack.url}/healthz\n"
    answer = subprocess.run(shlex.split(curl), capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout) == {"status": "ok"}


def test_every_part_answers_when_it_says_ready(stack: Stack) -> None:
    def asked() -> httpx.Response:
        return httpx.get(f"{stack.url}/readyz", timeout=30)

    # On a busy machine it may not be told in time: then it is null, and nobody is less ready.
    wait_until(lambda: asked().json()["confinement"] is not None, 60, "confinement is told")
    answer = asked()
    assert answer.json() == {
        "status": "ready",
        "parts": dict.fromkeys(("database", "broker", "storage", "model-host"), "ok"),
        "confinement": answer.json()["confinement"],
    }
    assert answer.json()["confinement"] in ("full", "no-netns", "rlimits-only", None)
    assert answer.status_code == 200


def test_every_part_has_a_log(stack: Stack) -> None:
    written = {path.stem for path in (stack.home / "log").glob("*.log")}
    assert {"valkey", "web", "worker", "beat"} <= written


def test_up_says_where_the_logs_are_and_little_else_before_it_is_ready(stack: Stack) -> None:
    starting, *_ = stack.errors
    assert starting == (
        "up       | starting valkey, web, modelhost, worker, beat; "
        f"what they say stands in {stack.home / 'log'}\n"
    )
    assert "Listening at" in (stack.home / "log" / "web.log").read_text()
    assert not [line for line in stack.errors if "Listening at" in line]


def test_the_state_folder_is_for_its_owner_only(stack: Stack) -> None:
    assert stack.home.stat().st_mode & 0o077 == 0
    assert (stack.home / "secret_key").stat().st_mode & 0o777 == 0o600


def test_pages_and_static_files_are_there(stack: Stack) -> None:
    page = httpx.get(f"{stack.url}/admin/login/")
    assert page.status_code == 200
    assert "'unsafe-" not in page.headers["content-security-policy"]
    styles = re.findall(r'href="(/static/[^"]+\.css)"', page.text)
    assert styles
    for style in styles:
        answer = httpx.get(stack.url + style)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]


def test_a_request_id_is_taken_when_it_is_well_formed(stack: Stack) -> None:
    kept = httpx.get(f"{stack.url}/healthz", headers={"X-Request-Id": "abc-1.2_3"})
    assert kept.headers["x-request-id"] == "abc-1.2_3"
    for unfit in ("a b", "x" * 129, "ä".encode()):
        made = httpx.get(f"{stack.url}/healthz", headers={"X-Request-Id": unfit})
        assert re.fullmatch(r"[0-9a-f]{32}", made.headers["x-request-id"])


def test_what_is_not_there_is_a_problem_document(stack: Stack) -> None:
    answer = httpx.get(f"{stack.url}/api/v1/nothing")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "not-found"
    assert answer.json()["instance"] == answer.headers["x-request-id"]


def test_a_second_up_on_the_same_folder_is_one_line(stack: Stack) -> None:
    second = start_stack(stack.home, DEMO="0")
    assert second.process.wait(60) == 1
    second.close()
    assert second.errors == [
        f"Process {stack.process.pid} runs on the state folder {stack.home} already: "
        "end it, or set MODELYARD_HOME.\n"
    ]
    assert second.output == []


def test_a_taken_port_is_one_line(stacks: Start) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = stacks(PORT=str(port))
        assert refused.process.wait(60) == 1
    refused.close()
    assert refused.errors == [
        f"Port {port} on 127.0.0.1 is taken: end what listens there, or set PORT.\n"
    ]


def test_a_part_that_cannot_start_is_reported_with_the_end_of_its_log(
    stacks: Start, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    failed = stacks(MODELHOST_SOCKET=str(tmp_path / "file" / "host.sock"))
    assert failed.process.wait(120) == 1
    said = "".join(failed.errors)
    assert re.search(r"^modelhost cannot be started \(exit code \d+\)", said, re.MULTILINE)
    assert str(failed.home / "log" / "modelhost.log") in said
    assert failed.output == []
    assert living_in(failed.home) == {}


def test_a_worker_and_a_web_process_that_die_are_replaced(stacks: Start) -> None:
    stack = stacks()
    stack.wait_until_ready()
    for words in (" worker --loglevel ", " -m granian "):
        leader = min(processes_of(stack.home, words))
        os.kill(leader, signal.SIGKILL)
        wait_until(lambda pid=leader: not is_running(pid), 5, "it is dead")  # type: ignore[misc]
    part_logs = stack.home / "log" / "up.log"
    wait_until(lambda: "worker ended (signal SIGKILL)" in part_logs.read_text(), 5, "it is noted")
    wait_until(lambda: answers(stack.url), 60, "the web answers again")
    wait_until((stack.home / "run" / "worker.ready").exists, 60, "the worker is ready again")


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=1).status_code == 200
    except httpx.HTTPError:
        return False


def test_the_second_start_changes_nothing_and_a_signal_ends_everything(stacks: Start) -> None:
    first = stacks(MODELYARD_ADMIN_PASSWORD="a long enough secret")
    first.wait_until_ready()
    assert not [line for line in first.output if line.startswith("admin")]
    assert len(processes_of(first.home, "")) >= len(PARTS)
    assert first.stop(signal.SIGINT) == 0
    assert living_in(first.home) == {}
    key = (first.home / "secret_key").read_text()

    second = stacks(home=first.home)
    second.wait_until_ready()
    assert [line.split()[0] for line in second.output] == ["ready", "curl"]
    assert (first.home / "secret_key").read_text() == key
    assert second.stop(signal.SIGTERM) == 0
    assert living_in(first.home) == {}


def test_nothing_is_left_when_up_itself_is_killed(stacks: Start) -> None:
    stack = stacks()
    stack.wait_until_ready()
    stack.process.kill()
    stack.process.wait(5)
    wait_until(lambda: living_in(stack.home) == {}, 10, "every part has ended")

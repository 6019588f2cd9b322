"""The supervisor as a real process: it ends, restarts and reports its parts."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.services.processes import is_alive, wait_until

RUN = str(Path(__file__).with_name("run.py"))
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started = []

    def run(*words: str) -> subprocess.Popen[str]:
        with (tmp_path / "stderr").open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, RUN, str(tmp_path), *words],
                text=True,
                stdout=subprocess.PIPE,
                stderr=errors,
                process_group=0,
            )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    # What has left its group outlives a supervisor that is killed: its own part ends it then.
    for path in tmp_path.glob("*/pids"):
        for pid in pids(path.parent):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def pids(folder: Path) -> list[int]:
    return [int(pid) for pid in (folder / "pids").read_text().split()]


def ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_every_descendant_and_the_exit_code_is_0(
    start: Start, tmp_path: Path, number: int
) -> None:
    process = start("first:children", "second:children")
    ready(process)
    family = pids(tmp_path / "first") + pids(tmp_path / "second")
    process.send_signal(number)
    assert process.wait(10) == 0
    assert len(family) == 6
    assert [pid for pid in family if is_alive(pid)] == []


def test_a_child_that_ignores_the_signal_is_killed_within_10_seconds(
    start: Start, tmp_path: Path
) -> None:
    process = start("first:deaf", "second:deaf", "second:children")
    ready(process)
    family = pids(tmp_path / "first") + pids(tmp_path / "second")
    process.terminate()
    assert process.wait(10) == 0
    assert [pid for pid in family if is_alive(pid)] == []


def test_a_second_signal_ends_it_at_once(start: Start, tmp_path: Path) -> None:
    process = start("first:deaf", "second:deaf")
    ready(process)
    process.terminate()
    wait_until(lambda: "ending" in (tmp_path / "up.log").read_text(), 5, "it says that it ends")
    process.terminate()
    assert process.wait(60) == 0
    assert "asked again: killing what is left" in (tmp_path / "up.log").read_text()


def test_a_part_that_dies_while_another_is_waited_for_holds_nothing_up(
    start: Start, tmp_path: Path
) -> None:
    process = start("second:deaf")
    ready(process)
    process.terminate()
    wait_until(lambda: "ending" in (tmp_path / "up.log").read_text(), 5, "it says that it ends")
    os.kill(pids(tmp_path / "first")[0], signal.SIGKILL)
    assert process.wait(60) == 0


def test_nothing_is_left_when_the_supervisor_itself_is_killed(start: Start, tmp_path: Path) -> None:
    process = start("first:children", "second:deaf")
    ready(process)
    # The one that left its group is for its own parent to end; the group is ours.
    family = pids(tmp_path / "first")[:2] + pids(tmp_path / "second")
    process.kill()
    wait_until(lambda: not any(map(is_alive, family)), 10, "all have ended")


def test_a_start_waits_until_the_parts_of_a_killed_supervisor_are_gone(
    start: Start, tmp_path: Path
) -> None:
    process = start("second:deaf")
    ready(process)
    old = pids(tmp_path / "second")
    process.kill()
    process.wait()
    following = start()
    ready(following)
    assert not any(map(is_alive, old))


def test_a_second_supervisor_on_the_folder_is_told_who_has_it(start: Start, tmp_path: Path) -> None:
    process = start()
    ready(process)
    second = start()
    assert second.wait(5) == 1
    said = (tmp_path / "stderr").read_text()
    assert f"Process {process.pid} runs on the state folder {tmp_path} already" in said


def test_a_part_that_dies_is_started_again(start: Start, tmp_path: Path) -> None:
    ready(start())
    first = pids(tmp_path / "second")
    os.kill(first[0], signal.SIGKILL)
    wait_until(lambda: pids(tmp_path / "second") not in ([], first), 5, "a new process")
    wait_until((tmp_path / "second" / "ready").exists, 5, "the new process answers")
    assert (
        "second ended (signal SIGKILL); it is started again in 0.5 s"
        in (tmp_path / "up.log").read_text()
    )


def test_a_dead_part_takes_its_own_children_along(start: Start, tmp_path: Path) -> None:
    ready(start("second:children"))
    parent, child, _ = pids(tmp_path / "second")
    os.kill(parent, signal.SIGKILL)
    wait_until(lambda: not is_alive(child), 5, "its child has ended")


def test_a_part_that_cannot_start_is_reported_with_the_end_of_its_log(
    start: Start, tmp_path: Path
) -> None:
    process = start("second:die")
    assert process.wait(10) == 1
    said = (tmp_path / "stderr").read_text()
    assert "second cannot be started (exit code 3). The end of " in said
    assert said.rstrip().endswith("the reason of the death")
    assert not any(map(is_alive, pids(tmp_path / "first")))


def test_a_part_starts_only_when_what_it_needs_answers(start: Start, tmp_path: Path) -> None:
    process = start("first:mute")
    wait_until((tmp_path / "first" / "pids").exists, 5, "the first has started")
    process.terminate()
    assert process.wait(10) == 0
    assert not (tmp_path / "second" / "pids").exists()


def test_what_a_part_writes_at_its_start_stands_in_its_log_which_is_named(
    start: Start, tmp_path: Path
) -> None:
    process = start()
    ready(process)
    process.terminate()
    process.wait(10)
    assert (tmp_path / "first.log").read_text() == "started\n"
    assert (tmp_path / "stderr").read_text().splitlines()[0] == (
        f"up       | starting first, second; what they say stands in {tmp_path}"
    )

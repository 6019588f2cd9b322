"""The model host keeps its promises while models crash, hang, eat memory and lie."""

from __future__ import annotations

import hashlib
import io
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pytest

from registry.errors import CheckRefused, ModelFailed, ModelLoading
from serving.runtimes.base import Answer, Block
from serving.runtimes.golden import Golden
from serving.runtimes.isolation.client import HostClient, ModelSpec
from serving.runtimes.isolation.errors import (
    GoldenDiffers,
    HostBusy,
    HostUnavailable,
    ModelDied,
    ModelNotLoaded,
    ModelOutOfMemory,
    ModelRaised,
    ModelSuspended,
)
from serving.runtimes.isolation.start import command_line, environment_for
from tests.serving.runtimes import misbehaving as does
from tests.serving.runtimes.hosts import (
    MEMORY,
    RunningHost,
    artifact,
    is_alive,
    rows,
    running,
    until,
)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """One host for the tests that do not end it. Each test uses model keys of its own."""
    socket = tmp_path_factory.mktemp("host") / "host.sock"
    with running(socket, is_warmed=False, max_children=8, load_timeout_s=3.0) as started:
        yield started


@pytest.fixture
def client(host: RunningHost) -> Iterator[HostClient]:
    one = HostClient(host.socket)
    yield one
    one.close()


def ask(
    client: HostClient,
    model: tuple[ModelSpec, Any],
    *values: float,
    deadline_s: float = 10.0,
    **options: Any,
) -> list[float]:
    spec, opener = model
    answer = client.score(spec, opener, rows(*values), (), {}, deadline_s, **options)
    return answer.blocks[0].arrays[0].to_pylist()


def test_rows_are_answered_in_order(client: HostClient) -> None:
    assert ask(client, artifact(key="order"), 1.0, 5.0, 3.0) == [1.0, 5.0, 3.0]


def test_a_large_batch_crosses_whole(client: HostClient) -> None:
    values = [float(i) for i in range(1, 200_001)]
    assert ask(client, artifact(key="large"), *values) == values


def test_a_second_call_uses_the_same_process_and_does_not_open_the_artifact(
    client: HostClient, host: RunningHost
) -> None:
    spec, opener = artifact(key="kept")
    opened = []

    def counted() -> BinaryIO:
        opened.append(1)
        return opener()

    for _ in range(3):
        client.score(spec, counted, rows(1.0), (), {}, 10)
    other = HostClient(host.socket)
    other.score(spec, counted, rows(1.0), (), {}, 10)
    other.close()
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("what", "cause"),
    [(does.SEGFAULT, "SIGSEGV"), (does.LOOP, "deadline"), (does.DEAF, "deadline")],
)
def test_a_process_that_ends_is_a_failed_model_and_others_answer(
    client: HostClient, what: float, cause: str
) -> None:
    fine = artifact(key=f"beside {what}")
    ask(client, fine, 1.0)
    began = time.monotonic()
    with pytest.raises(ModelDied) as caught:
        ask(client, artifact(key=f"dies {what}"), what, deadline_s=0.7)
    assert caught.value.evidence["cause"] == cause
    assert caught.value.headers == {}
    assert time.monotonic() - began < 6
    assert ask(client, fine, 2.0) == [2.0]
    assert ask(client, artifact(key=f"dies {what}"), 4.0) == [4.0]


def test_memory_over_the_limit_is_an_error_and_the_process_goes_on(
    client: HostClient, host: RunningHost
) -> None:
    model = artifact(key="memory")
    ask(client, model, 1.0)
    before = [c["pid"] for c in host.client.status()["children"] if c["key"] == "memory"]
    with pytest.raises(ModelOutOfMemory):
        ask(client, model, does.MEMORY)
    assert ask(client, model, 1.0) == [1.0]
    after = [c["pid"] for c in host.client.status()["children"] if c["key"] == "memory"]
    assert before == after


@pytest.mark.parametrize(
    ("what", "exception"), [(does.RAISE, "ValueError"), (does.EXIT, "SystemExit")]
)
def test_a_model_that_raises_keeps_its_reason_for_the_evidence(
    client: HostClient, what: float, exception: str
) -> None:
    with pytest.raises(ModelRaised) as caught:
        ask(client, artifact(key="raises"), what)
    assert caught.value.evidence["exception"] == exception
    assert "secret internals" not in str(caught.value)
    assert "secret internals" not in str(caught.value.extra())
    assert caught.value.headers == {}
    assert ask(client, artifact(key="raises"), 1.0) == [1.0]


def test_another_count_of_answers_than_rows_is_a_failed_model(client: HostClient) -> None:
    with pytest.raises(ModelFailed, match="another number of answers"):
        ask(client, artifact(key="short"), does.SHORT, 2.0, 3.0)


def test_a_child_runs_one_thread_and_has_no_secret(client: HostClient) -> None:
    ask(client, artifact(key="threads"), 1.0)
    child = next(c for c in client.status()["children"] if c["key"] == "threads")
    assert "Threads:\t1\n" in Path(f"/proc/{child['pid']}/status").read_text()
    assert ask(client, artifact(key="environ"), does.ENVIRON) == [0.0]


def test_many_callers_that_wait_for_one_load_cause_one_load(host: RunningHost) -> None:
    spec, opener = artifact(b'{"load": "slow"}', key="crowd")

    def call(number: int) -> list[float]:
        mine = HostClient(host.socket)
        try:
            return ask(mine, (spec, opener), float(number))
        finally:
            mine.close()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, range(1, 25))) == [[float(n)] for n in range(1, 25)]
    found = [c for c in host.client.status()["children"] if c["key"] == "crowd"]
    assert len(found) == 1
    assert found[0]["served"] == 24


def test_one_client_serves_many_threads(client: HostClient) -> None:
    model = artifact(key="threads of a client")
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda n: ask(client, model, float(n)), range(1, 200)))
    assert got == [[float(n)] for n in range(1, 200)]


def test_a_load_that_outlasts_the_deadline_says_so_and_is_ready_later(client: HostClient) -> None:
    model = artifact(b'{"load": "slow"}', key="slow load")
    with pytest.raises(ModelLoading):
        ask(client, model, 1.0, deadline_s=0.15)
    assert ask(client, model, 1.0) == [1.0]


@pytest.mark.parametrize(
    ("load", "error"),
    [
        ("raise", ModelNotLoaded),
        ("refuse", ModelNotLoaded),
        ("crash", ModelDied),
        ("hang", ModelDied),
        ("memory", ModelOutOfMemory),
    ],
)
def test_a_load_that_fails_is_told_to_everybody_who_waits(
    host: RunningHost, load: str, error: type[ModelFailed]
) -> None:
    model = artifact(f'{{"load": "{load}"}}'.encode(), key=f"load {load}")

    def call(_: int) -> Exception | None:
        mine = HostClient(host.socket)
        try:
            ask(mine, model, 1.0)
        except ModelFailed as failed:
            return failed
        finally:
            mine.close()
        return None

    with ThreadPoolExecutor(3) as pool:
        raised = list(pool.map(call, range(3)))
    assert {type(one) for one in raised} == {error}, [
        getattr(one, "evidence", one) for one in raised
    ]


def test_five_deaths_in_a_minute_suspend_the_model_alone(client: HostClient) -> None:
    model = artifact(key="dying")
    for _ in range(5):
        with pytest.raises(ModelDied):
            ask(client, model, does.SEGFAULT)
    with pytest.raises(ModelSuspended) as caught:
        ask(client, model, 1.0)
    assert 0 < int(caught.value.headers["Retry-After"]) <= 61
    assert ask(client, artifact(key="not dying"), 1.0) == [1.0]


def test_golden_rows_that_differ_stop_the_load(client: HostClient) -> None:
    def golden() -> Golden:
        block = Block("prediction", None, None, (pa.array([1.0, 2.0]),))
        return Golden(rows(1.0, 2.0), Answer(2, (block,)))

    fine = artifact(key="golden")
    assert ask(client, fine, 7.0, golden=golden) == [7.0]
    with pytest.raises(GoldenDiffers) as caught:
        ask(client, artifact(b'{"offset": 1}', key="golden"), 7.0, golden=golden)
    evidence = caught.value.evidence
    assert (evidence["row"], evidence["column"]) == (0, "prediction")
    assert (evidence["expected"], evidence["got"], evidence["rows"]) == (1.0, 2.0, 2)


def test_bytes_that_are_not_those_of_the_digest_are_not_loaded(client: HostClient) -> None:
    spec, _ = artifact(key="swapped")
    with pytest.raises(ModelNotLoaded) as caught:
        ask(client, (spec, lambda: io.BytesIO(b'{"offset": 5}')), 1.0)
    assert caught.value.evidence["reason"] == "artifact-changed"


def test_the_idle_longest_makes_room_for_a_new_model(tmp_path: Path) -> None:
    with running(tmp_path / "h.sock", is_warmed=False, max_children=2) as small:
        first, second, third = (artifact(key=k) for k in ("first", "second", "third"))
        for model in (first, second, first, third):
            assert ask(small.client, model, 1.0) == [1.0]
        keys = {child["key"] for child in small.client.status()["children"]}
        assert keys == {"first", "third"}
        # The client still holds a connection to the process that was ended.
        assert ask(small.client, second, 2.0) == [2.0]


def test_a_full_host_whose_models_all_work_says_so(tmp_path: Path) -> None:
    with running(tmp_path / "h.sock", is_warmed=False, max_children=1) as small:
        busy = artifact(key="busy")
        ask(small.client, busy, 1.0)
        thread = threading.Thread(target=ask, args=(small.client, busy, does.SLOW))
        thread.start()
        until(lambda: small.client.status()["children"][0]["busy"])
        with pytest.raises(HostBusy):
            ask(small.client, artifact(key="other"), 1.0)
        thread.join()


def test_a_request_that_queues_behind_another_past_its_deadline_is_busy_not_failed(
    client: HostClient,
) -> None:
    model = artifact(key="queue")
    ask(client, model, 1.0)
    with ThreadPoolExecutor(6) as pool:
        slow = [pool.submit(ask, client, model, does.SLOW) for _ in range(5)]
        until(lambda: sum(f.running() for f in slow) == 5)
        with pytest.raises(HostBusy):
            ask(client, model, 1.0, deadline_s=0.05)
        assert [f.result() for f in slow] == [[does.SLOW]] * 5


def test_a_crash_of_one_request_does_not_fail_those_that_queue_behind_it(
    client: HostClient,
) -> None:
    model = artifact(key="innocent")
    ask(client, model, 1.0)
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(ask, client, model, does.SLOW)
        until(first.running)
        guilty = pool.submit(ask, client, model, does.SEGFAULT)
        innocent = [pool.submit(ask, client, model, float(n)) for n in range(1, 6)]
        with pytest.raises(ModelDied):
            guilty.result()
        assert [f.result() for f in innocent] == [[float(n)] for n in range(1, 6)]
        assert first.result() == [does.SLOW]


# --- inspections --------------------------------------------------------------------------------


def test_an_inspection_loads_and_scores_in_a_process_that_ends_with_it(
    client: HostClient, host: RunningHost
) -> None:
    spec, opener = artifact(key="inspected")
    with client.inspect(opener, spec) as child:
        assert child.load().estimator == "tests.Misbehaving"
        assert child.score(rows(3.0), (), {}).blocks[0].arrays[0].to_pylist() == [3.0]
        assert host.client.status()["inspections"] == 1
    until(lambda: host.client.status()["inspections"] == 0)


def test_an_inspection_tells_why_a_file_does_not_load(client: HostClient) -> None:
    spec, opener = artifact(b'{"load": "refuse"}', key="refused")
    with client.inspect(opener, spec) as child, pytest.raises(CheckRefused) as caught:
        child.load()
    assert caught.value.reason == "untrusted-types"
    assert caught.value.evidence == {"types": ["evil.Type"]}


def test_a_crash_of_an_inspection_is_told_to_its_caller(client: HostClient) -> None:
    spec, opener = artifact(b'{"load": "crash"}', key="crashing inspection")
    with client.inspect(opener, spec) as child, pytest.raises(ModelDied) as caught:
        child.load()
    assert caught.value.evidence["cause"] == "SIGSEGV"


def test_inspections_wait_for_a_place(tmp_path: Path) -> None:
    with running(tmp_path / "h.sock", is_warmed=False, max_inspections=1) as small:
        spec, opener = artifact(key="inspected")
        with small.client.inspect(opener, spec) as first:
            first.load()
            with (
                pytest.raises(HostBusy),
                small.client.inspect(opener, spec, deadline_s=0.2),
            ):
                pass
        with small.client.inspect(opener, spec) as second:
            assert second.load().estimator == "tests.Misbehaving"


# --- the host itself ----------------------------------------------------------------------------


def test_without_a_host_scoring_says_that_it_is_away(tmp_path: Path) -> None:
    client = HostClient(tmp_path / "nobody.sock")
    assert not client.alive()
    with pytest.raises(HostUnavailable):
        ask(client, artifact(), 1.0)


def test_a_killed_host_takes_its_children_along_and_a_new_one_serves_the_same_client(
    tmp_path: Path,
) -> None:
    socket = tmp_path / "h.sock"
    with running(socket, is_warmed=False) as first:
        client = first.client
        ask(client, artifact(), 1.0)
        children = first.pids()
        first.process.kill()
        first.process.wait()
        until(lambda: not any(is_alive(pid) for pid in children), 5)
        with pytest.raises(HostUnavailable):
            ask(client, artifact(), 1.0)
        with running(socket, is_warmed=False):
            assert ask(client, artifact(), 2.0) == [2.0]
        client.close()


def test_sigterm_leaves_no_child_and_no_socket(tmp_path: Path) -> None:
    socket = tmp_path / "h.sock"
    with running(socket, is_warmed=False) as one:
        ask(one.client, artifact(key="a"), 1.0)
        ask(one.client, artifact(key="b"), 1.0)

        def hang() -> None:
            with pytest.raises((ModelFailed, HostUnavailable)):
                ask(one.client, artifact(key="a"), does.LOOP)

        thread = threading.Thread(target=hang)
        thread.start()
        until(lambda: any(c["busy"] for c in one.client.status()["children"]))
        children = one.pids()
        began = time.monotonic()
        assert one.end() == 0
        assert time.monotonic() - began < 5
        assert len(children) == 2
        assert not any(is_alive(pid) for pid in children)
        assert not socket.exists()
        thread.join()


def test_a_second_host_on_the_same_socket_is_refused_with_one_line(host: RunningHost) -> None:
    second = subprocess.run(
        command_line(host.socket, memory_bytes=MEMORY, is_warmed=False),
        env=environment_for(dict(os.environ)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert second.returncode == 1
    assert len(second.stderr.splitlines()) == 1
    assert "another model host serves" in second.stderr
    assert host.client.alive()


def test_a_socket_file_that_was_left_over_is_replaced(tmp_path: Path) -> None:
    socket = tmp_path / "h.sock"
    with running(socket, is_warmed=False) as first:
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
    assert socket.exists()
    with running(socket, is_warmed=False) as second:
        assert ask(second.client, artifact(), 1.0) == [1.0]


def test_the_socket_is_for_its_owner_alone(tmp_path: Path) -> None:
    socket = tmp_path / "private" / "h.sock"
    with running(socket, is_warmed=False):
        assert socket.stat().st_mode & 0o777 == 0o600
        assert socket.parent.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    refused = subprocess.run(
        command_line(folder / "h.sock", memory_bytes=MEMORY, is_warmed=False),
        env=environment_for(dict(os.environ)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.returncode == 1
    assert "chmod 700" in refused.stderr


def test_a_path_longer_than_an_address_works(tmp_path: Path) -> None:
    socket = tmp_path / ("long" * 30) / "h.sock"
    with running(socket, is_warmed=False) as one:
        assert ask(one.client, artifact(), 1.0) == [1.0]


def test_a_forked_process_makes_connections_of_its_own(client: HostClient) -> None:
    model = artifact(key="forked")
    ask(client, model, 1.0)
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)  # a child that hangs ends, and the test fails
        try:
            got = [ask(client, model, float(n)) for n in range(100, 200)]
            os.write(write, b"1" if got == [[float(n)] for n in range(100, 200)] else b"0")
        finally:
            os._exit(0)
    mine = [ask(client, model, float(n)) for n in range(200, 300)]
    assert mine == [[float(n)] for n in range(200, 300)]
    assert os.waitpid(pid, 0)[1] == 0
    assert os.read(read, 1) == b"1"
    for end in (read, write):
        os.close(end)


def test_a_caller_that_sends_nonsense_is_sent_away_and_others_are_served(
    client: HostClient, host: RunningHost
) -> None:
    import socket as sockets

    for nonsense in (b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 64, b"\xff" * 64, b"\x00\x00\x00\x02"):
        with sockets.socket(sockets.AF_UNIX) as sock:
            sock.connect(str(host.socket))
            sock.sendall(nonsense)
    assert ask(client, artifact(key="after nonsense"), 1.0) == [1.0]


def test_idle_connections_are_bounded(host: RunningHost) -> None:
    few = HostClient(host.socket, max_kept=2)
    model = artifact(key="bounded")
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: ask(few, model, float(n)), range(1, 40)))
    assert few._kept._count <= 2
    few.close()


def test_a_file_is_passed_as_its_own_descriptor(client: HostClient, tmp_path: Path) -> None:
    path = tmp_path / "artifact"
    path.write_bytes(b'{"offset": 2}')
    spec = ModelSpec("file", "skops", "misbehaving", hashlib.sha256(path.read_bytes()).hexdigest())
    assert ask(client, (spec, lambda: path.open("rb")), 1.0) == [3.0]

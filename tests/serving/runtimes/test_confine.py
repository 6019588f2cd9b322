"""The filter of calls for both machines, read step by step; levels; what the parent sees."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from serving.runtimes.isolation import kernel, network, seccomp, syscalls, watch
from serving.runtimes.isolation.confine import Confinement
from serving.runtimes.isolation.kernel import Machine, Unsupported
from serving.runtimes.isolation.start import environment_for
from tests.serving.runtimes.hosts import artifact, rows, running, until

ALLOW, KILL, EPERM = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM
ARCHITECTURES: dict[Machine, int] = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
MACHINES = list(ARCHITECTURES)


def verdict(machine: Machine, number: int, *arguments: int, arch: int | None = None) -> int:
    """What the filter of that machine says, by a reader of classic BPF of our own."""
    program = seccomp.program(machine, os.getpid())
    steps = [struct.unpack_from("HBBI", program, at) for at in range(0, len(program), 8)]
    padded = [*arguments, *[0] * (6 - len(arguments))]
    call = struct.pack("<iIQ6Q", number, arch or ARCHITECTURES[machine], 0, *padded)
    at, held = 0, 0
    while True:
        code, if_true, if_false, constant = steps[at]
        at += 1
        if code == 0x06:
            return int(constant)
        if code == 0x20:
            held = struct.unpack_from("<I", call, constant)[0]
            continue
        holds = {
            0x15: held == constant,
            0x35: held >= constant,
            0x45: bool(held & constant),
        }[code]
        at += if_true if holds else if_false


def number_of(machine: Machine, name: str) -> int:
    which = MACHINES.index(machine)
    tables = {**syscalls.ALLOWED, **syscalls.CHECKED, **syscalls.FATAL}
    found = tables[name][which]
    assert found is not None
    return found


@pytest.mark.parametrize("machine", MACHINES)
def test_every_call_of_the_tables_gets_its_answer(machine: Machine) -> None:
    which = MACHINES.index(machine)
    for table, expected in ((syscalls.ALLOWED, ALLOW), (syscalls.FATAL, KILL)):
        for name, numbers in table.items():
            number = numbers[which]
            if number is not None:
                assert verdict(machine, number) == expected, name


@pytest.mark.parametrize("machine", MACHINES)
def test_a_call_that_no_table_names_is_refused(machine: Machine) -> None:
    which = MACHINES.index(machine)
    named = {
        numbers[which]
        for table in (syscalls.ALLOWED, syscalls.CHECKED, syscalls.FATAL)
        for numbers in table.values()
    }
    for number in set(range(600)) - named:
        assert verdict(machine, number) == EPERM, number


@pytest.mark.parametrize("machine", MACHINES)
def test_no_number_stands_in_two_tables(machine: Machine) -> None:
    which = MACHINES.index(machine)
    numbers = [
        numbers[which]
        for table in (syscalls.ALLOWED, syscalls.CHECKED, syscalls.FATAL)
        for numbers in table.values()
        if numbers[which] is not None
    ]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("mmap", (0, 4096, mmap.PROT_READ | mmap.PROT_WRITE), ALLOW),
        ("mmap", (0, 4096, mmap.PROT_READ | mmap.PROT_EXEC), EPERM),
        ("mprotect", (0, 4096, mmap.PROT_READ), ALLOW),
        ("mprotect", (0, 4096, mmap.PROT_EXEC), EPERM),
        ("fcntl", (3, fcntl.F_DUPFD_CLOEXEC), ALLOW),
        ("fcntl", (3, fcntl.F_SETOWN, 1), EPERM),
        ("fcntl", (3, fcntl.F_SETFL, os.O_ASYNC), EPERM),
        ("ioctl", (3, termios.FIONBIO), ALLOW),
        ("ioctl", (0, termios.TIOCSTI), EPERM),
        ("tgkill", (os.getpid(), os.getpid(), 6), ALLOW),
        ("tgkill", (os.getppid(), os.getppid(), 6), EPERM),
    ],
)
def test_arguments_decide_where_a_call_has_two_sides(
    machine: Machine, name: str, arguments: tuple[int, ...], expected: int
) -> None:
    assert verdict(machine, number_of(machine, name), *arguments) == expected


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_by_another_numbering_end_the_process(machine: Machine) -> None:
    read = number_of(machine, "read")
    for other in (0x40000003, 0x40000028, *ARCHITECTURES.values()):  # i386, arm and each other
        if other != ARCHITECTURES[machine]:
            assert verdict(machine, read, arch=other) == KILL
    if machine == "x86_64":
        assert verdict(machine, read | 0x40000000) == KILL


@pytest.mark.parametrize(
    ("absent", "level"),
    [
        ((), "full"),
        (("netns",), "no-netns"),
        (("landlock",), "rlimits-only"),
        (("seccomp",), "rlimits-only"),
        (("netns", "landlock", "seccomp"), "rlimits-only"),
    ],
)
def test_the_level_follows_from_the_layers(absent: tuple[str, ...], level: str) -> None:
    layers = {n: "why" if n in absent else True for n in ("netns", "landlock", "seccomp")}
    found = Confinement(layers)
    assert found.level == level
    assert found.missing == "; ".join(f"{name}: why" for name in absent)
    assert Confinement().level == "rlimits-only"


def test_a_machine_without_namespaces_says_both_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    def unshare(flags: int) -> None:
        raise OSError(errno.EPERM if flags == kernel.CLONE_NEWNET else errno.ENOSPC, "")

    monkeypatch.setattr(kernel, "unshare", unshare)
    with pytest.raises(Unsupported, match=r"Operation not permitted.*No space left"):
        network.prepare()


def test_an_unknown_machine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel.platform, "machine", lambda: "riscv64")
    with pytest.raises(Unsupported, match="riscv64"):
        seccomp.install()


def test_the_trial_says_in_words_what_a_layer_lacks() -> None:
    """In a process of its own, in which Landlock answers as on a kernel without it."""
    program = (
        "import ctypes, json;"
        "from serving.runtimes.isolation import kernel, landlock, trial;"
        "kernel.LANDLOCK_CREATE_RULESET = 9999;"
        "print(json.dumps(trial.find_confinement().to_json()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment_for(dict(os.environ)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert '"level": "rlimits-only"' in done.stdout, done.stderr
    assert "the kernel offers no Landlock (Function not implemented)" in done.stdout


# --- what the parent sees from outside ----------------------------------------------------------


def test_idle_models_are_ended_to_keep_the_budget_and_come_back(tmp_path: Path) -> None:
    with running(tmp_path / "h.sock", is_warmed=False, budget_bytes=1) as small:
        first, second = artifact(key="first"), artifact(key="second")
        for spec, opener in (first, second):
            small.client.score(spec, opener, rows(1.0), (), {}, 10)
        assert small.client.status()["budget_bytes"] == 1

        def keys() -> list[str]:
            return [child["key"] for child in small.client.status()["children"]]

        until(lambda: keys() == ["second"], 10)
        assert small.client.status()["children"][0]["memory_bytes"] > 0
        answer = small.client.score(*first, rows(3.0), (), {}, 10)
        assert answer.blocks[0].arrays[0].to_pylist() == [3.0]


def test_work_that_is_hidden_behind_idleness_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    used = {1: 0.0}
    monkeypatch.setattr(watch, "cpu_s", used.__getitem__)
    monkeypatch.setattr(watch, "own_bytes", lambda _: 0)
    sight = watch.Sight()
    sight.look(1, (0, 50), now=10.0)
    used[1] = 2.9
    sight.look(1, (0, 50), now=12.0)
    assert not sight.hides_work(12.0)
    used[1] = 4.9
    sight.look(1, (0, 50), now=14.0)
    assert sight.hides_work(14.0)
    sight.look(1, (7, 60), now=16.0)
    assert not sight.hides_work(16.0)


def test_what_a_process_has_of_its_own_is_counted() -> None:
    before = watch.own_bytes(os.getpid())
    # A mapping of its own: an allocator could hand out memory that it has kept from before.
    with mmap.mmap(-1, 64 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as held:
        held.write(b"x" * len(held))
        assert watch.own_bytes(os.getpid()) - before > len(held) * 0.9
    assert watch.cpu_s(os.getpid()) > 0
    assert 0 < watch.default_budget_bytes() < watch.machine_bytes()

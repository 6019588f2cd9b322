"""Hostile files of our own generator: each is refused, and looking does nothing at all."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import joblib.numpy_pickle
import pytest

from registry.scan import REASONS, look
from tests.drawing import amount, seed
from tests.hostile import opcodes as op
from tests.hostile.calls import CALLS, NAMES, PLAIN_NAMES
from tests.hostile.containers import PACKS
from tests.hostile.misuses import MISUSES
from tests.hostile.recipes import HostileFile, files
from tests.hostile.stems import stems
from tests.hostile.targets import TARGETS
from tests.hostile.wrappers import ORDINARY, WRAPPERS

FILES = 5_000
MEMORY_BYTES = 64 << 20
Counted = Callable[[str, object], None]


def looked(content: bytes, format: str = "joblib"):
    return look(io.BytesIO(content), len(content), format)


def looked_in_another_process(folder: Path, made: list[HostileFile]) -> dict[str, Any]:
    """What the looker tells of the files, which are written to the folder."""
    for number, file in enumerate(made):
        (folder / str(number)).write_bytes(file.content)
    (folder / "names.json").write_text(json.dumps([file.filename for file in made]))
    harmless = folder / "harmless.joblib"
    harmless.write_bytes(stems()[0].content)
    command = [sys.executable, "-m", "tests.hostile.looker", str(folder), str(harmless)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.long
def test_every_generated_file_is_refused_with_a_reason_and_nothing_happens(
    tmp_path: Path, record_property: Counted
) -> None:
    drawn_from, count = seed(), amount(FILES)
    made = list(files(drawn_from, count))
    told = looked_in_another_process(tmp_path, made)
    seconds = sorted(entry[3] for found in told["found"] for entry in found)
    record_property(
        "counted",
        f"hostile files: {count} of seed {drawn_from}; a look took "
        f"{seconds[len(seconds) * 99 // 100]:.3f} s at p99, {seconds[-1]:.3f} s at most; memory "
        f"grew by {told['grown_bytes'] >> 20} MiB, {told['peak_grown_bytes'] >> 20} MiB at peak; "
        + ", ".join(f"{n} {reason}" for reason, n in reasons_of(told).most_common()),
    )

    holes = [
        f"{file}: {entry}"
        for file, found in zip(made, told["found"], strict=True)
        for entry in found
        if not is_refusal(*entry[:3])
    ]
    assert not holes, "\n".join([f"{len(holes)} looks of {count} files:", *holes[:40]])
    assert told["events"] == []
    assert told["imported"] == []
    assert told["peak_grown_bytes"] < MEMORY_BYTES


def is_refusal(format: str, verdict: str, reason: str) -> bool:
    return verdict == "unreadable" or (verdict == "failed" and reason in REASONS)


def reasons_of(told: dict[str, Any]) -> Counter[str]:
    return Counter(entry[2] or entry[1] for found in told["found"] for entry in found)


@pytest.mark.parametrize("stem", stems(), ids=lambda stem: stem.name)
def test_the_models_around_the_payloads_pass_by_themselves(stem) -> None:
    for pack in PACKS.values():
        found = looked(pack(stem.content))
        assert (found.verdict, found.reason) == ("passed", ""), found.summary


@pytest.mark.parametrize("wrapper", ORDINARY)
def test_a_harmless_value_in_the_payloads_place_passes(wrapper: str) -> None:
    for number in range(20):
        content = WRAPPERS[wrapper](op.NONE, random.Random(number))
        assert looked(content).verdict == "passed", (number, looked(content).summary)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("call", CALLS)
def test_every_name_and_call_is_refused_inside_of_a_model(name: str, call: str) -> None:
    chance = random.Random(f"{name}/{call}")
    target = chance.choice(TARGETS)
    content = CALLS[call](NAMES[name](target[0], target[1]), target)
    found = looked(WRAPPERS["as further attribute"](content, chance))
    assert found.verdict == "failed"
    assert found.reason in REASONS


@pytest.mark.parametrize("name", MISUSES)
def test_listed_names_are_refused_where_they_are_misused(name: str) -> None:
    chance = random.Random(name)
    for wrapper in ("as attribute", "as further attribute", "in a list", "in an object array"):
        found = looked(WRAPPERS[wrapper](MISUSES[name], chance))
        assert found.verdict == "failed", wrapper


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target[0]}.{target[1]}")
def test_a_refusal_names_the_global_and_says_what_to_do(target) -> None:
    content = CALLS["REDUCE"](NAMES["STACK_GLOBAL"](target[0], target[1]), target)
    found = looked(WRAPPERS["as further attribute"](content, random.Random(1)))
    assert found.verdict == "failed"
    assert f"{target[0]}.{target[1]}"[:60] in found.summary
    assert "What to do: " in found.summary
    assert found.evidence["global"] == f"{target[0]}.{target[1]}"


class Called(Exception):
    """The payload's callable was reached."""


class Recorder(joblib.numpy_pickle.NumpyUnpickler):
    """Loads what is needed of a harmless model, and a stand-in for everything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in HARMLESS:
            return super().find_class(module, name)
        return reached


def reached(*_: Any, **__: Any) -> None:
    raise Called


def harmless_names() -> set[tuple[str, str]]:
    class Noting(joblib.numpy_pickle.NumpyUnpickler):
        def find_class(self, module: str, name: str) -> Any:
            noted.add((module, name))
            return super().find_class(module, name)

    noted: set[tuple[str, str]] = {("builtins", "object"), ("builtins", "str")}
    noted |= {("functools", "partial"), ("numpy.random._pickle", "__generator_ctor")}
    for stem in stems():
        Noting("", io.BytesIO(stem.content), ensure_native_byte_order=True).load()
    return noted


HARMLESS = harmless_names()
# These break off before the payload's call in Python's own reader, or never come to it.
NOT_READ_BY_PYTHON = ("between frames", "frame in a frame", "over the end of a frame")
AFTER_THE_MODEL = ("after the stop",)


@pytest.mark.parametrize(
    "wrapper", [one for one in WRAPPERS if one not in NOT_READ_BY_PYTHON + AFTER_THE_MODEL]
)
@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_what_is_generated_would_do_harm_where_it_is_loaded(wrapper: str, name: str) -> None:
    """Otherwise a refusal says nothing: a stand-in is called where the payload would be."""
    target = ("os", "system", ("true",))
    for number in range(8):
        chance = random.Random(number)
        content = WRAPPERS[wrapper](CALLS["REDUCE"](NAMES[name](*target[:2]), target), chance)
        with pytest.raises(Called):
            Recorder("", io.BytesIO(content), ensure_native_byte_order=True).load()


def test_no_target_is_on_the_list_unless_something_of_ours_takes_its_place() -> None:
    from registry.scan.pickle_list import kind_of

    listed = {target[:2]: kind_of(*target[:2]) for target in TARGETS}
    assert set(listed.values()) <= {None, "ours", "stand-in"}


def test_no_distribution_may_come_out_of_a_skops_file() -> None:
    """Their ``__setstate__`` runs text of the state, whoever calls it."""
    types = resources.files("registry.scan").joinpath("skops_types.json").read_text()
    assert "_distns." not in types
    assert "_distn_infrastructure" not in types


def test_the_same_seed_gives_the_same_files() -> None:
    first, second = list(files(5, 40)), list(files(5, 40))
    assert [file.content for file in first] == [file.content for file in second]
    assert [file.content for file in files(6, 40)] != [file.content for file in first]

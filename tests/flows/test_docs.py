"""README and docs/: their code runs on a started service and answers what stands below it.

In a page, a block marked

- ``sh`` runs in bash, ``python`` in one session per page; all of a page in one empty folder;
- ``text`` or ``json`` right after such a block is what it prints. ``...`` stands for anything: in
  JSON as a value, as ``"...": "..."`` for further members, as the last of a list for further ones;
- ``console`` shows what cannot be run here; its commands exist all the same.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import modelyard
import pytest
from django.core.management import get_commands

from registry import errors
from registry.formats import FORMATS
from registry.scan import REASONS
from tests.services.stack import ROOT, Stack

pytestmark = pytest.mark.long

KeyFor = Callable[..., str]
GUIDE = sorted((ROOT / "docs").glob("*.md"))
PAGES = [ROOT / "README.md", *GUIDE]
DECISIONS = sorted((ROOT / "docs" / "adr").glob("0*.md"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://)([^)#\s]*)(#[^)\s]+)?\)")
SHOWN_URL = "http://127.0.0.1:8000"
SHOWN_KEY_FILE = "var/demo.key"
BLOCK_LIMIT_S = 60
# As the models are trained at the first start, their answers differ a little between machines.
TOLERANCE = {"rel_tol": 1e-2, "abs_tol": 1e-4}
REVIEWER = (
    "from django.contrib.auth.models import Group; from registry.models import User; "
    "rita, _ = User.objects.get_or_create(username='rita'); "
    "rita.groups.set(Group.objects.filter(name='Approvers'))"
)


@dataclass(frozen=True)
class Step:
    """A block that runs, and the block with its output, if one follows."""

    language: str
    code: str
    line: int
    shown: str | None
    shown_as: str


def _name(file: Path) -> str:
    return str(file.relative_to(ROOT))


def blocks(page: Path) -> list[tuple[str, str, int]]:
    """Language, text and first line of each block of a page."""
    text = page.read_text(encoding="utf-8")
    return [(m[1], m[2], text.count("\n", 0, m.start()) + 1) for m in BLOCK.finditer(text)]


def steps(page: Path) -> list[Step]:
    """What runs on a page, in its order."""
    found = [*blocks(page), ("", "", 0)]
    return [
        Step(language, code, line, *((below, kind) if kind in ("text", "json") else (None, "")))
        for (language, code, line), (kind, below, _) in pairwise(found)
        if language in ("sh", "python")
    ]


RUNNABLE = [page for page in PAGES if steps(page)]


@dataclass
class Runner:
    """Runs the blocks of one page in one folder, against one started service."""

    stack: Stack
    folder: Path
    variables: Mapping[str, str]

    def __post_init__(self) -> None:
        self.session: dict[str, Any] = {"__name__": "__main__"}

    def run(self, step: Step) -> str:
        """The block's standard output, with the address that the pages show."""
        code = step.code.replace(SHOWN_URL, self.stack.url)
        code = code.replace(SHOWN_KEY_FILE, str(self.stack.home / "demo.key"))
        printed = self._bash(code) if step.language == "sh" else self._python(code)
        return printed.replace(self.stack.url, SHOWN_URL)

    def _bash(self, code: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", code],
            cwd=self.folder,
            env=dict(self.variables),
            capture_output=True,
            text=True,
            timeout=BLOCK_LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _python(self, code: str) -> str:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("default")
            exec(compile(code, "block", "exec"), self.session)  # the page's own code
        return printed.getvalue()


@pytest.fixture(scope="module")
def reviewer(live_stack: Stack, key_for: KeyFor) -> str:
    """The key of a second person, who may approve."""
    subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "shell", "-c", REVIEWER],
        env={"PATH": os.environ["PATH"], "MODELYARD_HOME": str(live_stack.home)},
        capture_output=True,
        check=True,
    )
    return key_for("read", "approve", user="rita")


@pytest.fixture
def runner(
    live_stack: Stack,
    key_for: KeyFor,
    reviewer: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Runner:
    """A folder, and an environment with the client's command on the path."""
    programs, folder = tmp_path / "bin", tmp_path / "work"
    programs.mkdir()
    folder.mkdir()
    command = programs / "modelyard"
    client = shlex.quote(str(Path(modelyard.__file__).parents[1]))
    start = f'PYTHONPATH={client} exec {shlex.quote(sys.executable)} -m modelyard "$@"'
    command.write_text(f"#!/bin/sh\n{start}\n")
    command.chmod(0o755)
    monkeypatch.chdir(folder)
    variables = {
        "MODELYARD_URL": live_stack.url,
        "MODELYARD_API_KEY": key_for("read", "score", "publish", "approve", "admin"),
        "REVIEWER_KEY": reviewer,
        "NO_PROXY": "127.0.0.1",
        "OMP_NUM_THREADS": "1",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return Runner(live_stack, folder, {"PATH": path, "HOME": str(folder), **variables})


@pytest.mark.parametrize("file", RUNNABLE, ids=_name)
def test_the_code_of_a_page_runs_and_prints_what_it_shows(file: Path, runner: Runner) -> None:
    if any("curl " in step.code for step in steps(file)) and not shutil.which("curl"):
        pytest.skip("curl is not installed")
    for step in steps(file):
        printed = runner.run(step)
        where = f"{file.name}, line {step.line}"
        if step.shown_as == "json":
            differs(json.loads(step.shown or ""), json.loads(printed), where)
        elif step.shown_as == "text":
            shown = pattern_of(step.shown or "")
            if not re.fullmatch(shown, printed.strip(), re.DOTALL):
                pytest.fail(f"{where} prints:\n{printed}")


def pattern_of(shown: str) -> str:
    """A shown text as a pattern; spaces at the end of lines do not count."""
    lines = [re.escape(line.rstrip()) for line in shown.strip().split("\n")]
    return "[ \t]*\n".join(lines).replace(r"\.\.\.", ".*?")


def differs(shown: Any, printed: Any, where: str) -> None:
    """AssertionError with the place where a printed document is not the shown one."""
    if shown == "...":
        return
    if isinstance(shown, dict) and isinstance(printed, dict):
        wanted = {name: value for name, value in shown.items() if name != "..."}
        assert wanted.keys() == printed.keys() or (
            "..." in shown and wanted.keys() <= printed.keys()
        ), f"{where}: {sorted(printed)}"
        for name, value in wanted.items():
            differs(value, printed[name], f"{where}/{name}")
    elif isinstance(shown, list) and isinstance(printed, list):
        is_open = shown[-1:] == ["..."]
        wanted_rows = shown[:-1] if is_open else shown
        assert len(printed) == len(wanted_rows) or (is_open and len(printed) > len(wanted_rows)), (
            f"{where}: {len(printed)} entries"
        )
        for index, value in enumerate(wanted_rows):
            differs(value, printed[index], f"{where}/{index}")
    elif isinstance(shown, float) and isinstance(printed, float):
        assert math.isclose(shown, printed, **TOLERANCE), f"{where}: {printed}"
    elif isinstance(shown, str) and "..." in shown:
        assert re.fullmatch(pattern_of(shown), str(printed)), f"{where}: {printed}"
    else:
        assert shown == printed, f"{where}: {printed!r}"


def test_the_readme_shows_the_curl_line_that_make_up_prints(live_stack: Stack) -> None:
    shown = next(s.code for s in steps(ROOT / "README.md") if "curl" in s.code)
    printed = live_stack.curl.replace(live_stack.url, SHOWN_URL)
    printed = printed.replace(str(live_stack.home / "demo.key"), SHOWN_KEY_FILE)
    assert shlex.split(shown.replace("\\\n", " ")) == shlex.split(printed)


@pytest.mark.parametrize("file", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=_name)
def test_links_between_pages_lead_somewhere(file: Path) -> None:
    for target, anchor in LINK.findall(file.read_text(encoding="utf-8")):
        other = (file.parent / target) if target else file
        assert other.exists(), f"{file.name} links to {target}"
        if anchor:
            assert anchor.removeprefix("#") in anchors(other), f"{file.name} links to {anchor}"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as git hosts make them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("file", PAGES, ids=_name)
def test_commands_that_are_only_shown_exist(file: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    shown = "".join(text for language, text, _ in blocks(file) if language == "console")
    for target in re.findall(r"\bmake ([a-z-]+)", shown):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for command in re.findall(r"manage\.py ([a-z_]+)", shown):
        assert command in get_commands(), command


def test_the_indexes_list_every_page() -> None:
    guide = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    decisions = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    missing = [page.name for page in GUIDE if page.name != "README.md" and page.name not in guide]
    missing += [page.name for page in DECISIONS if page.name not in decisions]
    assert missing == []


# --- reference pages that follow the code -------------------------------------------------------


def test_the_page_of_formats_says_what_every_refusal_of_a_file_means() -> None:
    page = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    first_cells = re.findall(r"^\| (`[^|]+`) \|", page, re.MULTILINE)
    shown = set(re.findall(r"`([a-z0-9-]+)`", " ".join(first_cells)))
    assert set(REASONS) - shown == set()
    assert set(FORMATS) - shown == set()


def error_table() -> str:
    """Code, status and meaning of every error, as docs/errors.md has to list them."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    found = {
        kind.code: (kind.status, kind.code, kind.title)
        for kind in reversed(kinds)
        if issubclass(kind, errors.DomainError)
    }
    rows = sorted(found.values())
    return "\n".join(f"| {status} | `{code}` | {title} |" for status, code, title in rows)


def row_code_table() -> str:
    """Every code of a cell, as docs/errors.md has to list them."""
    return "\n".join(f"| `{code}` | {text} |" for code, text in errors.ROW_CODES.items())


@pytest.mark.parametrize("table", [error_table, row_code_table])
def test_the_page_of_errors_lists_every_code(table: Callable[[], str]) -> None:
    shown = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert table() in shown, f"docs/errors.md has to hold:\n{table()}"


READERS = {
    "text",
    "host",
    "boolean",
    "integer",
    "size_bytes",
    "rate",
    "choice",
    "zone",
    "folder",
    "folders",
    "networks",
    "outgoing_hosts",
}
SECRETS = {"secret", "database", "redis_url", "s3"}


def readers() -> Iterator[tuple[str, str, list[ast.expr]]]:
    """Name, reader and further arguments of each variable that config/settings.py reads."""
    tree = ast.parse((ROOT / "config" / "settings.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        called = node.func
        if not (isinstance(called.value, ast.Name) and called.value.id == "env" and node.args):
            continue
        name = node.args[0]
        assert isinstance(name, ast.Constant), ast.unparse(node)
        assert called.attr in READERS | SECRETS | {"public_url"}, ast.unparse(node)
        default = [*node.args[1:], *(k.value for k in node.keywords if k.arg == "default")]
        yield str(name.value), called.attr, default


def default_text(reader: str, arguments: list[ast.expr]) -> str | None:
    """The default as the page writes it; None where it is no constant."""
    if not arguments:
        return ""
    try:
        units = {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
        source = ast.Expression(arguments[-1])
        value = eval(compile(source, "settings", "eval"), {"__builtins__": {}}, units)
    except NameError:
        return None
    if reader == "size_bytes":
        return next(f"{value >> p} {u}" for p, u in ((30, "GiB"), (20, "MiB")) if value >> p)
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def test_the_page_of_settings_lists_every_variable_with_its_default() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    server = text.split("## The client")[0]
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([^|]*)\| (.+) \|$", server, re.MULTILINE)
    shown = {name: default.strip().strip("`") for name, default, _ in rows}
    read = {name: (reader, arguments) for name, reader, arguments in readers()}
    assert shown.keys() == read.keys()
    for name, (reader, arguments) in read.items():
        default = default_text(reader, arguments)
        assert default is None or default == shown[name], name
    with_file = {name for name, _, does in rows if f"`{name}_FILE`" in does}
    assert with_file == {name for name, (reader, _) in read.items() if reader in SECRETS}

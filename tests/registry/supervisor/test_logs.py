"""The log of a part: whole lines, rotated by size, never in the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.supervisor.logs import KEPT_FILES, LINE_MAX_BYTES, PartLog


def test_lines_are_put_together_from_pieces(tmp_path: Path) -> None:
    log = PartLog(tmp_path, "web")
    for piece in (b"one\ntw", b"o\n", b"three"):
        log.feed(piece)
    assert log.path.read_bytes() == b"one\ntwo\n"
    log.close()
    assert log.path.read_bytes() == b"one\ntwo\nthree\n"


def test_a_full_file_is_rotated_and_the_oldest_is_dropped(tmp_path: Path) -> None:
    log = PartLog(tmp_path, "web", max_bytes=30)
    for number in range(40):
        log.say(f"line number {number:02}")
    log.close()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["web.log", *(f"web.log.{n}" for n in range(1, KEPT_FILES + 1))]
    assert all(path.stat().st_size <= 30 for path in tmp_path.iterdir())
    assert log.path.read_text().endswith("line number 39\n")


def test_a_log_goes_on_where_the_last_start_ended(tmp_path: Path) -> None:
    for text in ("first", "second"):
        log = PartLog(tmp_path, "web")
        log.say(text)
        log.close()
    assert (tmp_path / "web.log").read_text() == "first\nsecond\n"


def test_a_line_without_an_end_is_cut(tmp_path: Path) -> None:
    log = PartLog(tmp_path, "web")
    log.feed(b"x" * (LINE_MAX_BYTES + 1))
    assert log.path.stat().st_size == LINE_MAX_BYTES + 2
    log.close()


def test_the_end_is_the_last_lines(tmp_path: Path) -> None:
    log = PartLog(tmp_path, "web")
    log.say("\n".join(f"line {number}" for number in range(100)))
    assert log.end().splitlines()[0] == "line 75"
    assert log.end().splitlines()[-1] == "line 99"
    log.close()


def test_a_log_that_cannot_be_written_stops_nothing(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    log = PartLog(tmp_path / "missing", "web", is_echoed=lambda: False)
    log.say("still heard")
    assert b"web      | still heard" in capfdbinary.readouterr().err


def test_a_log_that_is_not_echoed_stands_in_its_file_alone(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    echoes = [False, True]
    log = PartLog(tmp_path, "web", is_echoed=echoes.pop)
    log.say("heard\nkept")
    log.close()
    assert log.path.read_text() == "heard\nkept\n"
    assert capfdbinary.readouterr().err == b"web      | heard\n"

"""``modelyard score``: send a file of rows, get a file of answers."""

from __future__ import annotations

import argparse
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from modelyard.cli.printing import note, words
from modelyard.cli.rowfiles import ACCEPTED, JSON, body_of, table_of
from modelyard.client import Client
from modelyard.errors import ModelyardError, UsageError
from modelyard.files import Outlet, landing
from modelyard.scores import ScoreResult
from modelyard.transport import Sink


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("ref", metavar="REF", help="NAME, NAME@ALIAS or NAME/versions/N")
    parser.add_argument(
        "file", metavar="FILE", help="csv, json, jsonl, arrow or parquet; - for standard input"
    )
    parser.add_argument("--out", metavar="FILE", help="csv, json, arrow or parquet, by its suffix")
    parser.add_argument(
        "--outputs", type=words, help="prediction, probabilities, decision, transform"
    )
    parser.add_argument(
        "--skip-bad-rows", action="store_true", help="answer the good rows, list the bad ones"
    )


def run(client: Client, args: argparse.Namespace) -> int:
    """Score; refused rows are listed on standard error."""
    with _input(args.file) as path:
        body = body_of(path, label=args.file, outputs=args.outputs)
        accept = _accept(args.out, body.media_type)
        # Only a JSON body can name its outputs itself.
        outputs = None if body.media_type == JSON else args.outputs
        if args.skip_bad_rows:
            buffer = io.BytesIO()
            client.score_stream(
                args.ref, body, Outlet(buffer), accept=JSON, outputs=outputs, on_row_error="skip"
            )
            _write_skipping(buffer.getvalue(), args.out, accept)
            return 0
        with _output(args.out) as sink:
            client.score_stream(args.ref, body, sink, accept=accept, outputs=outputs)
    return 0


@contextmanager
def _input(file: str) -> Iterator[Path]:
    """The file, or standard input put into one: its length must be known, and a retry needs it."""
    if file != "-":
        yield Path(file)
        return
    with tempfile.TemporaryDirectory(prefix="modelyard-") as folder:
        path = Path(folder) / "standard-input"
        with path.open("wb") as copy:
            shutil.copyfileobj(sys.stdin.buffer, copy)
        yield path


@contextmanager
def _output(out: str | None) -> Iterator[Sink]:
    if out is None:
        yield Outlet(sys.stdout.buffer)
        return
    with landing(Path(out)) as sink:
        yield sink


def _accept(out: str | None, sent: str) -> str:
    """The media type of the answer: by the suffix of ``out``, else as sent, else CSV."""
    if out is None:
        return JSON if sent == JSON else "text/csv"
    media_type = ACCEPTED.get(Path(out).suffix.lower())
    if media_type is None:
        raise UsageError(f"--out: {out!r} has none of the suffixes {', '.join(ACCEPTED)}.")
    return media_type


def _write_skipping(answer: bytes, out: str | None, accept: str) -> None:
    """Write the answers, list the refused cells: tables have no place for them, JSON has."""
    result = ScoreResult.from_json(json.loads(answer))
    with _output(out) as sink, sink() as file:
        file.write(answer if accept == JSON else table_of(result, accept))
    if result.errors:
        refused = ModelyardError(
            "", errors=result.errors, facts={"error_count": result.error_count}
        )
        note(f"{result.error_count} cells were refused; their rows are skipped.")
        for line in list(refused.lines())[1:]:
            note(line)

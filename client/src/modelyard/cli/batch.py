"""``modelyard batch``: score a dataset, a file of any size, or rows that the service reads."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from modelyard.cli.printing import note, pairs, say, say_json, words
from modelyard.client import Client
from modelyard.errors import DatasetNotFound, UsageError
from modelyard.jobs import BatchJob, format_of

_SOURCES = (
    {"connection", "query"},
    {"connection", "query", "types"},
    {"prefix"},
    {"prefix", "format"},
)


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("ref", metavar="REF", help="NAME, NAME@ALIAS or NAME/versions/N")
    parser.add_argument(
        "dataset",
        metavar="DATASET|FILE",
        nargs="?",
        help="NAME, NAME@N, or a file that is uploaded first",
    )
    _add_elsewhere(parser)
    parser.add_argument("--dataset-name", help="the dataset's name where a file is uploaded")
    parser.add_argument("--out", metavar="FILE", help="results as csv, parquet or jsonl; waits")
    parser.add_argument("--rejects", metavar="FILE", help="the rejected rows likewise; waits")
    parser.add_argument("--outputs", type=words, help="prediction, probabilities, ...")
    parser.add_argument("--keep-columns", metavar="all|A,B", help="input columns in the results")
    parser.add_argument("--on-row-error", choices=("reject", "fail"))
    parser.add_argument(
        "--compare-with", metavar="N|@ALIAS", help="another version that answers the same rows"
    )
    parser.add_argument("--priority", type=int, help="-10 to 10; above 0 for publishers")
    parser.add_argument("--wait", action=argparse.BooleanOptionalAction, help="wait for the end")


def _add_elsewhere(parser: argparse.ArgumentParser) -> None:
    rows = parser.add_argument_group("rows from elsewhere, instead of DATASET|FILE")
    rows.add_argument("--connection", metavar="NAME", help="a database that the service reads")
    rows.add_argument("--query", metavar="SQL|@FILE", help="one query on it, or a file with one")
    rows.add_argument(
        "--type",
        metavar="COLUMN=TYPE",
        action="append",
        default=[],
        dest="types",
        help="what a column is where the database does not say it",
    )
    rows.add_argument("--prefix", metavar="inbox/...", help="files of the service's storage")
    rows.add_argument("--format", metavar="F", help="their format where the names do not tell it")
    table = parser.add_argument_group("results into a table as well")
    table.add_argument("--sink", metavar="CONNECTION:TABLE", help="it is made where there is none")


def run(client: Client, args: argparse.Namespace) -> int:
    """Start the job, and wait for it where asked; 1 when it fails."""
    targets = [Path(name) for name in (args.out, args.rejects) if name]
    for target in targets:
        format_of(target)  # a wrong suffix is found now, not after an hour
    if targets and args.wait is False:
        raise UsageError("Files come at the end of the job: --out and --rejects need --wait.")
    job = _start(client, args)
    if args.wait or targets:
        note(f"Batch job {job.id} is {job.state}.")
        job.wait().raise_if_failed()
    if args.out:
        job.results(args.out)
    if args.rejects:
        job.rejects(args.rejects)
    _show(job, as_json=args.json)
    return 0


def _start(client: Client, args: argparse.Namespace) -> BatchJob:
    keep = args.keep_columns
    try:
        return client.batch(
            args.ref,
            _rows(args),
            dataset_name=args.dataset_name,
            outputs=args.outputs,
            keep_columns=keep if keep in (None, "all") else words(keep),
            on_row_error=args.on_row_error,
            sink=_sink(args.sink),
            compare_with=args.compare_with,
            priority=args.priority,
        )
    except DatasetNotFound as exc:
        if args.dataset:
            exc.detail += f" There is no file {args.dataset!r} here, either."
        raise


def _rows(args: argparse.Namespace) -> str | dict[str, Any]:
    """The dataset or file, or the source that the options describe. UsageError for both or none."""
    source = {
        "connection": args.connection,
        "query": args.query and _text_of(args.query),
        "types": _types(args.types),
        "prefix": args.prefix,
        "format": args.format,
    }
    given = {key: value for key, value in source.items() if value}
    if bool(given) == bool(args.dataset):
        raise UsageError("Name either DATASET|FILE, or --connection with --query, or --prefix.")
    if args.dataset:
        return str(args.dataset)
    if set(given) not in _SOURCES:
        raise UsageError(
            "Rows from elsewhere are --connection with --query (and --type), or --prefix (and "
            "--format)."
        )
    return given


def _text_of(query: str) -> str:
    """The query, or what stands in the file after ``@``. UsageError where none can be read."""
    if not query.startswith("@"):
        return query
    try:
        return Path(query[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"--query: {query[1:]!r} cannot be read: {exc}") from None


def _types(texts: list[str]) -> dict[str, str]:
    try:
        return dict(pairs(texts))
    except ValueError as exc:
        raise UsageError(f"--type: {exc}") from None


def _sink(text: str | None) -> dict[str, str] | None:
    """``reports:public.scores`` as the service takes it."""
    if text is None:
        return None
    connection, colon, table = text.partition(":")
    if not (connection and colon and table):
        raise UsageError(f"--sink: {text!r} is not of the form CONNECTION:TABLE.")
    return {"connection": connection, "table": table}


def _show(job: BatchJob, *, as_json: bool) -> None:
    if as_json:
        say_json(job.document)
        return
    say(f"{job.id} {job.state}")
    if job.is_over:
        say(f"  rows: {job.rows_total}, rejected: {job.rows_rejected}")
        say(f"  results: {job.output_dataset or 'none'}")

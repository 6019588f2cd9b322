"""``modelyard batch``: score a dataset or a file of any size."""

from __future__ import annotations

import argparse
from pathlib import Path

from modelyard.cli.printing import note, say, say_json, words
from modelyard.client import Client
from modelyard.errors import DatasetNotFound, UsageError
from modelyard.jobs import BatchJob, format_of


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("ref", metavar="REF", help="NAME, NAME@ALIAS or NAME/versions/N")
    parser.add_argument(
        "dataset", metavar="DATASET|FILE", help="NAME, NAME@N, or a file that is uploaded first"
    )
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
            args.dataset,
            dataset_name=args.dataset_name,
            outputs=args.outputs,
            keep_columns=keep if keep in (None, "all") else words(keep),
            on_row_error=args.on_row_error,
            compare_with=args.compare_with,
            priority=args.priority,
        )
    except DatasetNotFound as exc:
        exc.detail += f" There is no file {args.dataset!r} here, either."
        raise


def _show(job: BatchJob, *, as_json: bool) -> None:
    if as_json:
        say_json(job.document)
        return
    say(f"{job.id} {job.state}")
    if job.is_over:
        say(f"  rows: {job.rows_total}, rejected: {job.rows_rejected}")
        say(f"  results: {job.output_dataset or 'none'}")

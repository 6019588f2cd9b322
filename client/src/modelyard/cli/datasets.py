"""``modelyard datasets``: list, show, push, download, promote, demote, archive, unarchive."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from modelyard.cli.printing import note, say, say_json, say_table
from modelyard.cli.shelving import add_archive
from modelyard.client import Client
from modelyard.datasets import DOWNLOAD_FORMATS, DatasetVersion
from modelyard.errors import RulesNotMet
from modelyard.files import Outlet


def add(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """The verbs and their arguments."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    shelf = verbs.add_parser("list", parents=[common], help="the datasets that the key may see")
    shelf.add_argument("--search", help="part of a name or description")
    shelf.add_argument("--archived", action="store_true", help="those out of use, and no others")
    shelf.set_defaults(run=run_list)

    show = verbs.add_parser("show", parents=[common], help="rows, columns and profile")
    show.add_argument("ref", metavar="NAME[@N]")
    show.set_defaults(run=run_show)

    push = verbs.add_parser("push", parents=[common], help="send a file as the next version")
    push.add_argument("file", metavar="FILE", help="csv, csv.gz, jsonl or parquet")
    push.add_argument("--name", help="the dataset; the file's name where not given")
    push.add_argument("--tier", choices=("raw", "curated", "product"))
    push.add_argument(
        "--classification", choices=("public", "internal", "confidential", "restricted")
    )
    push.add_argument("--wait", action=argparse.BooleanOptionalAction, default=True)
    push.set_defaults(run=run_push)

    fetch = verbs.add_parser("download", help="fetch the rows")
    fetch.add_argument("ref", metavar="NAME[@N]")
    fetch.add_argument("--format", choices=DOWNLOAD_FORMATS)
    fetch.add_argument("--out", metavar="FILE", help="standard output where not given")
    fetch.set_defaults(run=run_download)

    promote = verbs.add_parser("promote", parents=[common], help="ask for the next tier")
    promote.add_argument("ref", metavar="NAME[@N]")
    promote.add_argument("--tier", required=True, choices=("curated", "product"))
    promote.add_argument("--reason", required=True, help="why; whoever decides reads it")
    promote.set_defaults(run=run_promote)

    demote = verbs.add_parser("demote", parents=[common], help="take down to a lower tier")
    demote.add_argument("ref", metavar="NAME[@N]")
    demote.add_argument("--tier", required=True, choices=("raw", "curated"))
    demote.add_argument("--reason", required=True, help="what turned out wrong")
    demote.set_defaults(run=run_demote)

    add_archive(
        verbs,
        common,
        archive=lambda client, name: client.archive_dataset(name).document,
        unarchive=lambda client, name: client.unarchive_dataset(name).document,
    )


def run_list(client: Client, args: argparse.Namespace) -> int:
    """List the datasets, newest first."""
    found = list(client.datasets(search=args.search, archived=args.archived))
    if args.json:
        say_json([dataset.document for dataset in found])
    else:
        rows = ((d.name, d.classification, d.description) for d in found)
        say_table(("NAME", "CLASSIFICATION", "DESCRIPTION"), rows)
    return 0


def run_show(client: Client, args: argparse.Namespace) -> int:
    """Show one version."""
    _show(client.dataset(args.ref), as_json=args.json)
    return 0


def run_push(client: Client, args: argparse.Namespace) -> int:
    """Send a file; 1 when its rows cannot be read."""
    version = client.upload_dataset(
        args.file,
        args.name,
        tier=args.tier,
        classification=args.classification,
        wait=args.wait,
    )
    _show(version.raise_if_rejected(), as_json=args.json)
    return 0


def run_download(client: Client, args: argparse.Namespace) -> int:
    """Fetch the rows into a file or to standard output."""
    if args.out:
        client.download(args.ref, args.out, format=args.format)
    else:
        client.stream_dataset(args.ref, Outlet(sys.stdout.buffer), format=args.format or "csv")
    return 0


def run_promote(client: Client, args: argparse.Namespace) -> int:
    """Ask for a tier; 1 with the rules that are broken."""
    try:
        request = client.promote(args.ref, args.tier, reason=args.reason)
    except RulesNotMet as refused:
        for one in refused.outcomes:
            if not one["passed"]:
                found = one["note"] or f"found {one['found']}"
                note(f"{one['rule']}: expected {one['expected']}; {found}")
        raise
    if args.json:
        say_json(request)
    else:
        say(f"Asked for {args.tier}: {request['state']} until somebody else decides.")
    return 0


def run_demote(client: Client, args: argparse.Namespace) -> int:
    """Take a version down a tier."""
    version = client.demote(args.ref, args.tier, reason=args.reason)
    if args.json:
        say_json(version.document)
    else:
        say(f"{version.ref} is {version.tier} now.")
    return 0


def _show(version: DatasetVersion, *, as_json: bool) -> None:
    if as_json:
        say_json(version.document)
        return
    say(str(version))
    if version.columns:
        profile = version.document.get("profile") or {}
        lines = (_column_line(column, profile) for column in version.columns)
        say_table(("COLUMN", "TYPE", "NULLS", "DISTINCT", "MIN", "MAX"), lines)


def _column_line(column: Mapping[str, Any], profile: Mapping[str, Any]) -> tuple[Any, ...]:
    figures = column.get("profile") or profile.get(str(column["name"])) or {}
    low, high = figures.get("min"), figures.get("max")
    distinct = _distinct(figures.get("distinct"))
    return (column["name"], column.get("type"), figures.get("nulls"), distinct, low, high)


def _distinct(found: Any) -> Any:
    """``{"exactly": 5}`` as 5, ``{"more_than": 1000}`` as >1000."""
    if not isinstance(found, Mapping):
        return found
    return found.get("exactly", f">{found.get('more_than')}")

"""``modelyard models``, ``versions`` and ``model``: what is registered, and what governs it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelyard.cli.printing import note, pairs, say, say_json, say_table
from modelyard.cli.shelving import add_archive
from modelyard.client import Client
from modelyard.errors import UsageError


def add_models(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``models``."""
    parser.add_argument("--search", help="part of a name or description")
    parser.add_argument("--archived", action="store_true", help="those out of use, and no others")


def run_models(client: Client, args: argparse.Namespace) -> int:
    """List the models, newest first."""
    found = list(client.models(search=args.search, archived=args.archived))
    if args.json:
        say_json(found)
    else:
        rows = ((m["name"], m.get("kind"), m.get("description")) for m in found)
        say_table(("NAME", "KIND", "DESCRIPTION"), rows)
    return 0


def add_versions(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``versions``."""
    parser.add_argument("name", metavar="NAME")


def run_versions(client: Client, args: argparse.Namespace) -> int:
    """List the versions of a model, newest first."""
    found = list(client.versions(args.name))
    if args.json:
        say_json([version.document for version in found])
    else:
        rows = ((v.number, v.status, v.format, ", ".join(v.aliases)) for v in found)
        say_table(("VERSION", "STATUS", "FORMAT", "ALIASES"), rows)
    return 0


def add_model(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """The verbs of ``model`` and their arguments."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    card = verbs.add_parser("card", parents=[common], help="show or fill in the model card")
    card.add_argument("name", metavar="NAME")
    card.add_argument(
        "--set",
        metavar="FIELD=TEXT",
        action="append",
        default=[],
        help="fill a field in; an empty text takes it away; may come again",
    )
    card.add_argument("--file", metavar="FILE", help="a JSON object with fields of the card")
    card.set_defaults(run=run_card)

    past = verbs.add_parser("history", parents=[common], help="every move of an alias")
    past.add_argument("name", metavar="NAME")
    past.add_argument("alias", metavar="ALIAS")
    past.add_argument("--at", metavar="TIME", help="the move in force then: 2026-11-23T14:00:00Z")
    past.set_defaults(run=run_history)

    add_archive(verbs, common, archive=Client.archive_model, unarchive=Client.unarchive_model)


def run_card(client: Client, args: argparse.Namespace) -> int:
    """Show the card, after filling in what is given."""
    sent = _card_of(args)
    model = client.set_card(args.name, sent) if sent else client.model(args.name)
    if args.json:
        say_json({"card": model["card"], "card_missing": model["card_missing"]})
        return 0
    for field, text in model["card"].items():
        say(f"{field}:")
        for line in text.splitlines():
            say(f"  {line}")
    if model["card_missing"]:
        note(f"Not filled in: {', '.join(model['card_missing'])}.")
    return 0


def run_history(client: Client, args: argparse.Namespace) -> int:
    """List the moves of an alias, newest first."""
    found = list(client.alias_history(args.name, args.alias, at=args.at))
    if args.json:
        say_json(found)
    else:
        rows = (
            (m["at"], m["from"], m["to"], m["by"], m.get("approved_by"), m.get("reason"))
            for m in found
        )
        say_table(("AT", "FROM", "TO", "BY", "APPROVED BY", "REASON"), rows)
    return 0


def _card_of(args: argparse.Namespace) -> Mapping[str, str]:
    """What is to be filled in. UsageError for what is no card."""
    try:
        sent: Any = json.loads(Path(args.file).read_text("utf-8")) if args.file else {}
        if not isinstance(sent, dict):
            raise ValueError("an object was expected")
        return {**sent, **pairs(args.set)}
    except ValueError as error:
        raise UsageError(f"This is no model card: {error}.") from None

"""``modelyard models`` and ``modelyard versions``: what is registered."""

from __future__ import annotations

import argparse

from modelyard.cli.printing import say_json, say_table
from modelyard.client import Client


def add_models(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``models``."""
    parser.add_argument("--search", help="part of a name or description")


def run_models(client: Client, args: argparse.Namespace) -> int:
    """List the models, newest first."""
    found = list(client.models(search=args.search))
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

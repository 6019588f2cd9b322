"""``archive`` and ``unarchive``: the same two verbs for models and for datasets."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from modelyard.cli.printing import say, say_json
from modelyard.client import Client

# What is done to the thing of a name, and the document of it afterwards.
Change = Callable[[Client, str], Mapping[str, Any]]


def add_archive(
    verbs: Any, common: argparse.ArgumentParser, *, archive: Change, unarchive: Change
) -> None:
    """The verbs that take a thing out of use and back; ``verbs`` is what add_subparsers gave."""
    for verb, words, change, state in (
        ("archive", "take out of use", archive, "archived"),
        ("unarchive", "take back into use", unarchive, "in use"),
    ):
        parser = verbs.add_parser(verb, parents=[common], help=words)
        parser.add_argument("name", metavar="NAME")
        parser.set_defaults(run=run_archive, change=change, state=state)


def run_archive(client: Client, args: argparse.Namespace) -> int:
    """Take it out of use, or back."""
    document = args.change(client, args.name)
    if args.json:
        say_json(document)
    else:
        say(f"{document['name']} is {args.state}.")
    return 0

"""``modelyard approvals`` and ``modelyard lineage``: decisions, and where things come from."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from modelyard.cli.printing import note, say, say_json, say_table
from modelyard.client import Client
from modelyard.governance_calls import KINDS

DEPTH_MAX = 6


def add_approvals(parser: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """The verbs of ``approvals`` and their arguments."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    shelf = verbs.add_parser("list", parents=[common], help="what waits for a decision")
    shelf.add_argument(
        "--state", choices=("pending", "approved", "rejected", "all"), default="pending"
    )
    shelf.add_argument("--model", help="only about this model")
    shelf.add_argument("--dataset", help="only about this dataset")
    shelf.set_defaults(run=run_list)

    show = verbs.add_parser("show", parents=[common], help="one request with its evidence")
    show.add_argument("id", metavar="ID")
    show.set_defaults(run=run_show)

    for verb, words in (("approve", "say yes"), ("reject", "say no")):
        decide = verbs.add_parser(verb, parents=[common], help=words)
        decide.add_argument("id", metavar="ID")
        decide.add_argument("--reason", required=True, help="why; it stays with the decision")
        decide.set_defaults(run=run_decide, verb=verb)


def add_lineage(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``lineage``."""
    parser.add_argument("kind", metavar="KIND", choices=KINDS, help=", ".join(KINDS))
    parser.add_argument(
        "ref", metavar="REF", help="an id; or NAME, NAME/versions/N, NAME@N of a dataset's version"
    )
    parser.add_argument(
        "--depth", type=int, default=DEPTH_MAX, choices=range(1, DEPTH_MAX + 1), metavar="HOPS"
    )


def run_list(client: Client, args: argparse.Namespace) -> int:
    """List requests, newest first."""
    state = None if args.state == "all" else args.state
    found = list(client.approvals(state=state, model=args.model, dataset=args.dataset))
    if args.json:
        say_json(found)
    else:
        rows = ((a["id"], a["state"], asked_for(a), a["requested_by"]) for a in found)
        say_table(("ID", "STATE", "ASKED FOR", "BY"), rows)
    return 0


def run_show(client: Client, args: argparse.Namespace) -> int:
    """Show one request; its evidence in JSON."""
    _show(client.approval(args.id), as_json=args.json)
    return 0


def run_decide(client: Client, args: argparse.Namespace) -> int:
    """Approve or reject one request."""
    decide = client.approve if args.verb == "approve" else client.reject
    _show(decide(args.id, reason=args.reason), as_json=args.json)
    return 0


def run_lineage(client: Client, args: argparse.Namespace) -> int:
    """List the objects of a lineage, from the oldest ancestor to the last descendant."""
    graph = client.lineage(args.kind, args.ref, depth=args.depth)
    if args.json:
        say_json(graph)
        return 0
    nodes = sorted(graph["nodes"], key=lambda node: (node["hops"], node["kind"], node["name"]))
    say_table(("HOPS", "KIND", "NAME"), ((n["hops"], n["kind"], n["name"]) for n in nodes))
    if graph["is_cut"]:
        note("There may be more than is shown.")
    return 0


def asked_for(request: Mapping[str, Any]) -> str:
    """What a request is about, in a few words."""
    if request["subject"] == "tier":
        return f"{request['dataset']}@{request['dataset_version']} to {request['tier']}"
    version = f"{request['model']}/versions/{request['version']}"
    return f"{version} as {request['alias']}" if request["alias"] else f"release of {version}"


def _show(request: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        say_json(request)
        return
    say(f"{asked_for(request)}: {request['state']}")
    say(f"  asked by {request['requested_by']}: {request['request_reason'] or 'no reason'}")
    if request["decided_by"]:
        say(f"  decided by {request['decided_by']}: {request['reason']}")

"""``modelyard push``: register a model file and see its checks."""

from __future__ import annotations

import argparse

from modelyard.cli.printing import note, pairs, say, say_json
from modelyard.client import Client
from modelyard.errors import UsageError
from modelyard.versions import Version

FORMATS = ("skops", "joblib", "pickle", "onnx", "mlflow", "xgboost", "lightgbm", "catboost")


def add(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument("file", metavar="FILE", help="the model file")
    parser.add_argument("--name", required=True, help="the model; made if it does not exist")
    parser.add_argument("--example", metavar="ROWS", help="example rows: csv, json or parquet")
    parser.add_argument("--format", choices=FORMATS, help="where the file does not tell it itself")
    parser.add_argument("--tag", metavar="K=V", action="append", default=[], dest="tags")
    parser.add_argument(
        "--training-dataset", metavar="NAME[@N]", help="what it was trained on, held over there"
    )
    parser.add_argument("--description", help="what is new in this version")
    parser.add_argument("--alias", help="let this alias point to it once it is ready")
    parser.add_argument(
        "--wait",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="wait for the checks (default)",
    )


def run(client: Client, args: argparse.Namespace) -> int:
    """Push; 1 when the version was rejected or the alias could not be moved."""
    if args.alias and not args.wait:
        raise UsageError("An alias points to a version that is ready: --alias needs --wait.")
    try:
        tags = pairs(args.tags)
    except ValueError as exc:
        raise UsageError(f"--tag: {exc}.") from exc
    version = client.push(
        args.file,
        args.name,
        example=args.example,
        format=args.format,
        tags=tags,
        description=args.description,
        training_dataset=args.training_dataset,
        wait=args.wait,
    )
    version.raise_if_rejected()
    if args.json:
        say_json(version.document)
    else:
        _show(version)
    return _move_alias(client, args.alias, version) if args.alias else 0


def _show(version: Version) -> None:
    for line in str(version).split("\n"):
        say(line)
    if version.status == "quarantined":
        say("It waits for a reviewer other than its uploader.")


def _move_alias(client: Client, alias: str, version: Version) -> int:
    if not version.is_ready:
        note(f"modelyard: {alias} was not moved: the version is {version.status}.")
        return 1
    answer = client.set_alias(version.model, alias, version.number)
    if answer.get("state") == "pending":
        note(f"{alias} is guarded: the move waits for an approval by somebody else.")
    else:
        note(f"{version.model}@{alias} is now version {version.number}.")
    return 0

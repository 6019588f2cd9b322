"""``manage.py export_audit``: the audit trail as JSON Lines, with its seals."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.dateparse import parse_datetime

from registry.actions import audit_export


class Command(BaseCommand):
    """``export_audit [--output FILE] [--action A] [--since TIME] ...``"""

    help = "Write the audit trail as JSON Lines, oldest first, each event with its seal."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The same filters as `GET /api/v1/audit` has."""
        parser.add_argument("--output", type=Path, help="a new file (default: standard output)")
        parser.add_argument("--search", help="a text in the object's name or in the reason")
        for name in audit_export.FILTERS:
            parser.add_argument(f"--{name.replace('_', '-')}", help="only this one")
        parser.add_argument("--since", type=_moment, help="only from this time on (RFC 3339)")
        parser.add_argument("--until", type=_moment, help="only before this time (RFC 3339)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write every event that matches."""
        names = ("search", "since", "until", *audit_export.FILTERS)
        asked = {name: options[name] for name in names if options[name] is not None}
        path: Path | None = options["output"]
        if path is None:
            _write(asked, sys.stdout.buffer)
            return
        try:
            with path.open("xb") as file:
                _write(asked, file)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}.", returncode=2) from None


def _write(asked: dict[str, Any], file: BinaryIO) -> None:
    for piece in audit_export.export(by=None, asked=asked):
        file.write(piece)
    file.flush()


def _moment(text: str) -> datetime:
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"“{text[:100]}” is no time such as 2026-01-31T00:00:00Z")
    return moment

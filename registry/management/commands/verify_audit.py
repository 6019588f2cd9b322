"""``manage.py verify_audit``: whether the audit trail is whole; names what is not."""

from __future__ import annotations

import argparse
import itertools
import re
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from registry.actions import audit_check
from registry.actions.audit_check import UNSEALED, Walk

BROKEN = 1
# argparse and Django take 2 for a command line that cannot be read.
LATE = 3
_NOTED = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")


class Command(BaseCommand):
    """``verify_audit [--noted PLACE:HASH]``"""

    help = (
        "Check every audit event against the chain of seals. Exit codes: 0 whole, 1 something is"
        " altered, missing or unguarded, 3 nothing but events that nobody has sealed for a minute."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """What somebody noted down earlier."""
        parser.add_argument(
            "--noted",
            type=_noted,
            action="append",
            default=[],
            metavar="PLACE:HASH",
            help="a last seal that an earlier run has printed: the chain must still hold it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print what does not hold, each on a line of its own, then how far the chain reaches."""
        walk, kinds = Walk(), set()
        noted = (audit_check.holds_at(place, hash_) for place, hash_ in options["noted"])
        for finding in itertools.chain(audit_check.whole_trail(walk), filter(None, noted)):
            kinds.add(finding.kind)
            self.stdout.write(f"{finding.kind}: {finding.text}")
        word = "whole" if not kinds else "NOT whole"
        self.stdout.write(f"{walk.place} sealed events, {word}; last seal {walk.place}:{walk.hash}")
        if kinds:
            raise SystemExit(LATE if kinds == {UNSEALED} else BROKEN)


def _noted(text: str) -> tuple[int, str]:
    match = _NOTED.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"“{text[:100]}” is no PLACE:HASH as printed by a run")
    return int(match[1]), match[2]

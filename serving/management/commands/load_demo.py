"""Loads the demo into an empty registry, while the workers run; prints a JSON body to score.

Does nothing on a registry that people have used. Its standard output is one line: the body of a
request to ``/api/v1/models/penguins/predict``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections

from registry.models import User
from registry.principals import Principal
from serving.actions import demo

POLL_S = 0.2
SAMPLE = {
    "instances": [
        {
            "island": "Biscoe",
            "sex": "female",
            "bill_length_mm": 46.1,
            "bill_depth_mm": 13.2,
            "flipper_length_mm": 211,
            "body_mass_g": 4500,
        }
    ]
}


class Command(BaseCommand):
    """``manage.py load_demo``."""

    help = "Loads three models, a dataset, a batch job and a schedule into an empty registry."

    def add_arguments(self, parser: CommandParser) -> None:
        """How long to wait, and for whom."""
        parser.add_argument("--user", default="admin", help="who owns the demo")
        parser.add_argument("--timeout", type=float, default=180.0, help="seconds to wait in all")

    def handle(self, *args: Any, **options: Any) -> None:
        """Load what is missing, then print the sample."""
        user = User.objects.filter(username=options["user"]).first()
        if user is None:
            raise CommandError(f"There is no user “{options['user']}”.", returncode=2)
        if demo.is_wanted():
            demo.load(Principal(user), _waiter(options["timeout"]))
        self.stdout.write(json.dumps(SAMPLE))


def _waiter(timeout_s: float) -> demo.Wait:
    deadline = time.monotonic() + timeout_s

    def wait(condition: Callable[[], bool], what: str) -> None:
        while not condition():
            if time.monotonic() > deadline:
                raise CommandError(f"Waited {timeout_s:.0f} s in vain for {what}.")
            close_old_connections()
            time.sleep(POLL_S)

    return wait

#!/usr/bin/env python
"""Modelyard's command line: `manage.py up` starts everything, `manage.py help` lists the rest."""

import os
import sys

OLDEST_PYTHON = (3, 11)
# Every other command is quicker without the libraries of models.
OPENS_MODELS = ("load_demo", "shell")


def main() -> int:
    """Run a command; a wrong setting is one line on standard error and exit code 2."""
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(str(part) for part in sys.version_info[:3])
        print(f"Modelyard needs Python 3.11 or newer; this is {found}.", file=sys.stderr)
        return 2
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from django.core.management import execute_from_command_line
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed: run `make up` first.", file=sys.stderr)
        return 2

    from django.conf import settings

    from config import lean
    from config.env import SettingError

    if sys.argv[1:2] not in [[name] for name in OPENS_MODELS]:
        lean.refuse_model_libraries()
    try:
        # Before Django's own command line looks: it would hide the reason of a failure.
        settings.configured or settings.INSTALLED_APPS  # noqa: B018
    except SettingError as error:
        print(error, file=sys.stderr)
        return 2
    execute_from_command_line(sys.argv)
    return 0


if __name__ == "__main__":
    sys.exit(main())

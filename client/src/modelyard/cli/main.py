"""The command line: arguments in, exit code out.

0    good
1    the service refused, or cannot be reached; what is known stands on standard error
2    wrong usage: nothing was sent
130  interrupted
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from modelyard.cli import batch, datasets, governance, models, push, score
from modelyard.cli.printing import note, report
from modelyard.client import Client
from modelyard.clock import Clock
from modelyard.errors import ModelyardError, UsageError
from modelyard.progress import progress_for

EPILOG = "MODELYARD_URL is the service's address, MODELYARD_API_KEY the key to call it with."


def parser() -> argparse.ArgumentParser:
    """The whole grammar. There is no option for the key: it would show in the process list."""
    root = argparse.ArgumentParser(
        prog="modelyard", description="Push models, score rows, run batch jobs.", epilog=EPILOG
    )
    root.add_argument("--url", help="the service's address instead of MODELYARD_URL")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print JSON")
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("push", parents=[common], help="register a model file")
    push.add(one)
    one.set_defaults(run=push.run)
    one = commands.add_parser("score", help="score a file of rows at once")
    score.add(one)
    one.set_defaults(run=score.run)
    one = commands.add_parser("batch", parents=[common], help="score a dataset of any size")
    batch.add(one)
    one.set_defaults(run=batch.run)
    shelf = commands.add_parser("datasets", help="list, show, push, download, promote, demote")
    datasets.add(shelf, common)
    one = commands.add_parser("models", parents=[common], help="list the models")
    models.add_models(one)
    one.set_defaults(run=models.run_models)
    one = commands.add_parser("versions", parents=[common], help="list a model's versions")
    models.add_versions(one)
    one.set_defaults(run=models.run_versions)
    shelf = commands.add_parser("model", help="card, history of an alias, archive, unarchive")
    models.add_model(shelf, common)
    shelf = commands.add_parser("approvals", help="list, show, approve, reject")
    governance.add_approvals(shelf, common)
    one = commands.add_parser("lineage", parents=[common], help="what it came from and led to")
    governance.add_lineage(one)
    one.set_defaults(run=governance.run_lineage)
    return root


def main(argv: Sequence[str] | None = None, *, clock: Clock | None = None) -> int:
    """Run one command; returns the exit code."""
    args = parser().parse_args(argv)
    try:
        with Client(args.url, progress=progress_for(sys.stderr), clock=clock) as client:
            code: int = args.run(client, args)
            return code
    except UsageError as exc:
        report(exc)
        return 2
    except ModelyardError as exc:
        report(exc)
        return 1
    except BrokenPipeError:
        # The reader of standard output went away; Python must not complain of it at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as exc:
        note(f"modelyard: {exc}")
        return 1
    except KeyboardInterrupt:
        note("modelyard: interrupted")
        return 130

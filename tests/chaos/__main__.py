"""Program: kills parts of Modelyard at random under many jobs, then looks whether anything is lost.

    python -m tests.chaos [--seconds 100] [--jobs 60] [--seed N] [--hosts 2] [--only KIND]

1. starts PostgreSQL (with fsync), Valkey (nothing on disk) and an S3 server, empty;
2. registers models and datasets, scores each kind of job once, undisturbed;
3. starts workers, model hosts and beats on several machines that share no disk;
4. asks for jobs, and kills: processes, sessions, servers, disks, whoever is told;
5. mends everything, waits until no job is active;
6. a fresh process compares ledger, files and rows with what was promised.

Exit code 0 when every promise was kept, 1 with the breaches and the kills around them, 2 when the
run itself could not be carried out.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.chaos.ending import end_schedules, wait_for_end
from tests.chaos.killing import KINDS, Kill, Killer, Victims
from tests.chaos.receiver import listening
from tests.services import faults
from tests.services.hosts import Host, Shared, running_hosts
from tests.services.postgres import DURABLE, running_postgres
from tests.services.s3 import has_seaweedfs, running_s3
from tests.services.stack import ROOT
from tests.services.valkey import running_valkey

if TYPE_CHECKING:
    from tests.chaos.asking import Asking

DATABASE = "modelyard"
# Results are delivered here: on the same server, which dies, in a database of its own.
WAREHOUSE = "warehouse"
# Short, so that what is lost is taken up again within seconds.
PACE = {
    "lease_s": 6.0,
    "loss_wait_s": 0.5,
    "backoff_s": 0.5,
    "pause_s": 2.0,
    "longest_pause_s": 4.0,
    "reconcile_every_s": 3.0,
    "webhook_lease_s": 6.0,
    "webhook_wait_s": 1.0,
}
# The mean wait at each named step: kills fall on all of them.
STEPS_S = 0.03
DISK_MIB = 96
# Jobs are asked for in this part of the time.
ASKED_WITHIN = 0.6
LIMIT = 3
PARTS = ("modelhost", "worker", "beat")


@dataclass
class Run:
    """The servers and machines of a run, all started."""

    options: argparse.Namespace
    folder: Path
    victims: Victims
    control: Host
    began_s: float

    def say(self, text: str) -> None:
        """A line with the seconds since the beginning."""
        print(f"{time.monotonic() - self.began_s:6.1f} s  {text}", flush=True)


def main(argv: Sequence[str]) -> int:
    """The whole run."""
    options = parse(argv)
    # Asked to end, it still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"seed {options.seed}", flush=True)
    has_small_disks = faults.may_mount()
    if has_small_disks:
        faults.enter_own_mounts()
    with ExitStack() as stack:
        run = stack.enter_context(started(options, has_small_disks))
        try:
            code = carry_out(run)
        except (AssertionError, RuntimeError):
            traceback.print_exc()
            print(f"\nthe run could not be carried out; logs in {keep_logs(run)}", flush=True)
            code = 2
    print(f"seed {options.seed}", flush=True)
    return code


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seconds", type=float, default=100, help="how long to kill")
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--hosts", type=int, default=2, help="machines with workers")
    parser.add_argument("--only", choices=KINDS, default="", help="one kind of kill alone")
    parser.add_argument("--patience", type=float, default=60, help="seconds in which nothing moves")
    kinds = ("seaweedfs", "moto")
    default = kinds[0] if has_seaweedfs() else kinds[1]
    parser.add_argument("--s3", choices=kinds, default=default)
    return parser.parse_args(argv)


@contextmanager
def started(options: argparse.Namespace, has_small_disks: bool) -> Iterator[Run]:
    """Servers and machines, gone with the block."""
    began_s = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="my-chaos-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = stack.enter_context(running_postgres(**DURABLE, max_connections="100"))
        with postgres.connect() as connection:
            for name in (DATABASE, WAREHOUSE):
                connection.execute(f'CREATE DATABASE "{name}"')
        valkey = stack.enter_context(running_valkey())
        s3 = stack.enter_context(running_s3(options.s3))
        shared = Shared(postgres.url(DATABASE), valkey.url, s3.url)
        extra: dict[str, Any] = {"runtimes": {"mortal": "tests.chaos.mortal"}}
        control = Host("control", folder / "c", shared, **extra)
        hosts = [
            Host(f"host{n}", folder / f"h{n}", shared, PACE, STEPS_S, **extra)
            for n in range(1, options.hosts + 1)
        ]
        if has_small_disks:
            for host in hosts:
                stack.enter_context(faults.small_disk(host.home, DISK_MIB))
        victims = Victims(
            hosts=hosts,
            postgres=postgres,
            database=DATABASE,
            valkey=valkey,
            s3=s3,
            lease_s=PACE["lease_s"],
            has_small_disks=has_small_disks,
            warehouse=WAREHOUSE,
            listener=stack.enter_context(listening()),
        )
        stack.enter_context(running_hosts(control, *hosts))
        yield Run(options, folder, victims, control, began_s)


def carry_out(run: Run) -> int:
    """Steps 2 to 6 of the module's docstring."""
    run.say(f"PostgreSQL, Valkey and {run.victims.s3.name} run")
    set_up_django(run)
    from tests.chaos import world

    warehouse = f"postgresql:///{WAREHOUSE}?host={run.victims.postgres.folder}&user=postgres"
    askers = world.make_world(warehouse, run.victims.listener.url)
    run.say("models and datasets are there")
    alone = {str(job.pk) for job in world.score_undisturbed(askers[0]).values()}
    run.say(f"{len(alone)} jobs scored undisturbed")
    for host in run.victims.hosts:
        for part in PARTS:
            host.start(part)
    for host in run.victims.hosts:
        host.wait_until_ready(*PARTS)
    run.say(f"{len(run.victims.hosts)} machines work")
    world.make_schedules(askers[0])
    asking, killer = disturb(run, askers)
    due, maybe_due = end_schedules()
    patience_s = run.options.patience
    # Many jobs on a slow machine: as long as it was disturbed.
    most_s = max(LIMIT * patience_s, run.options.seconds)
    is_over = wait_for_end(run.say, patience_s=patience_s, most_s=most_s)
    for host in run.victims.hosts:
        host.end()
    promised = {
        "asked": asking.asked,
        "cancel_tried": sorted(asking.cancel_tried),
        "cancelled": sorted(asking.cancelled),
        "undisturbed": sorted(alone),
        "due": due,
        "maybe_due": maybe_due,
        "held": killer.held,
        "warehouse": warehouse,
        "calls": run.victims.listener.told(),
        "homes": [str(host.home) for host in run.victims.hosts],
    }
    (run.folder / "promised.json").write_text(json.dumps(promised, default=str))
    return verdict(run, killer, is_over)


def set_up_django(run: Run) -> None:
    """This process is a machine too: it asks for jobs, and scores what is undisturbed."""
    run.control.start("modelhost")
    os.environ.update(run.control.environment())
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    import logging

    import django

    django.setup()
    logging.getLogger().setLevel(logging.ERROR)
    from registry.management import preparation

    preparation.migrate()
    preparation.ensure_bucket()
    run.control.wait_until_ready("modelhost")


def disturb(run: Run, askers: Sequence[Any]) -> tuple[Asking, Killer]:
    """Ask and kill at the same time; everything is mended afterwards."""
    from tests.chaos.asking import Asking

    options, drawn = run.options, random.Random(run.options.seed)
    asking = Asking(
        askers,
        random.Random(drawn.random()),
        jobs=options.jobs,
        over_s=options.seconds * ASKED_WITHIN,
    )
    killer = Killer(run.victims, drawn, options.only)
    asking.start()
    killer.run(options.seconds)
    killer.heal()
    asking.join(LIMIT * options.patience)
    if asking.error is not None or asking.is_alive():
        raise RuntimeError("asking for jobs has failed") from asking.error
    for host in run.victims.hosts:
        host.wait_until_ready(*PARTS)
    run.say(f"{len(asking.asked)} jobs asked for, {len(killer.kills)} kills; all is mended")
    return asking, killer


def verdict(run: Run, killer: Killer, is_over: bool) -> int:
    """What a process that took no part finds; the exit code."""
    looked = subprocess.run(
        [sys.executable, "-m", "tests.chaos.verify", str(run.folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    lines = [json.loads(line) for line in looked.stdout.splitlines()]
    if looked.returncode or not lines:
        print("what is left could not be read", flush=True)
        return 2
    found = [line for line in lines if "breach" in line]
    tell(run, killer, lines[-1]["figures"])
    for line in found:
        tell_breach(line, killer.kills)
    if found or not is_over:
        kept = keep_logs(run)
        print(f"\n{len(found)} promises broken; logs in {kept}", flush=True)
        return 1
    print("0 rows lost, 0 doubled, every job ended, every digest as undisturbed", flush=True)
    return 0


def tell(run: Run, killer: Killer, figures: dict[str, Any]) -> None:
    """The figures of the run."""
    counts = killer.counts()
    print("\nkills: " + ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind]))
    jobs = ", ".join(f"{n} {state}" for state, n in sorted(figures["jobs"].items()))
    attempts, chunks = sum(figures["outcomes"].values()), figures["chunks"]
    outcomes = ", ".join(f"{n} {name}" for name, n in sorted(figures["outcomes"].items()))
    print(f"jobs: {jobs}; {figures['rows']:,} rows in {chunks} chunks")
    print(f"attempts: {attempts} for {chunks} chunks ({attempts / max(chunks, 1):.2f}): {outcomes}")
    paused = ", ".join(figures["paused"])
    print(f"paused with a lease: {figures['held']}, fenced off: {figures['fenced']} ({paused})")
    print(f"calls of the webhook: {figures['calls']} for {figures['deliveries']} deliveries")
    print(f"longest time without a chunk done: {figures['stood_still_s']} s")
    print(f"whole run: {time.monotonic() - run.began_s:.0f} s", flush=True)


def tell_breach(line: dict[str, Any], kills: Sequence[Kill]) -> None:
    """One breach with the attempts at the job, and the kills in the order of time."""
    print(f"\nBROKEN {line['breach']}")
    for attempt in line["attempts"][-60:]:
        print(f"    {attempt}")
    if line["attempts"]:
        print("  kills:")
        first, last = line["attempts"][0][:15], line["attempts"][-1][:15]
        for kill in kills:
            if first <= f"{kill.at:%H:%M:%S.%f}" <= last:
                print(f"    {kill}")


def keep_logs(run: Run) -> Path:
    """The machines' logs, where they outlive the run."""
    kept = Path(tempfile.mkdtemp(prefix="my-chaos-logs-"))
    for path in [*run.folder.glob("*.log"), *run.folder.glob("*.json")]:
        shutil.copy(path, kept)
    shutil.copy(run.victims.postgres.log, kept / "postgres.log")
    shutil.copy(run.victims.s3.log, kept / "s3.log")
    return kept


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

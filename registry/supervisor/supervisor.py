"""The loop: starts the parts in order, restarts what dies, ends all of it on a signal.

One thread, one selector. A part is started once the parts that it needs answer. Until a part has
answered for the first time its death, or a minute of silence, is a failure to start: the end of
its log is shown and everything is ended. Later a death is answered with a restart, the wait before
it doubling from 0.5 to 30 s. On SIGTERM or SIGINT the parts end first that others do not need.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

from registry.supervisor import processes
from registry.supervisor.logs import PartLog
from registry.supervisor.part import Child, Part, Step, spawn

SWEEPER = Path(__file__).with_name("sweeper.py")
START_LIMIT_S = 60.0
# Together well below the 10 s within which everything has to be gone, on a busy machine too.
STOP_GRACE_S = 5.0
LAST_GRACE_S = 1.0
BUSY_TICK_S = 0.03
IDLE_TICK_S = 1.0
READ_BYTES = 1 << 16


class PartFailed(Exception):
    """A part that cannot be started; the message holds the end of its log."""


class Supervisor:
    """Runs parts until it is told to stop. ``lock`` is a descriptor that the sweeper keeps open.

    Until all are ready, what they say goes into their logs alone: somebody waits for one line among
    it. ``is_talkative`` lets it be heard from the beginning.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        env: Mapping[str, str],
        log_folder: Path,
        lock: int | None = None,
        steps: Sequence[Step] = (),
        on_ready: Callable[[], None] = lambda: None,
        is_talkative: bool = False,
    ) -> None:
        self.env = env
        self.log_folder = log_folder
        self.lock = lock
        self.log = PartLog(log_folder, "up")
        self.children = {part.name: Child(part, self._log_of(part.name)) for part in parts}
        self.steps = list(steps)
        self.on_ready = on_ready
        self.is_talkative = is_talkative
        self.selector = selectors.DefaultSelector()
        self.signals = 0
        self._is_announced = False
        self._is_hurry_said = False
        self._ended: set[int] = set()
        self._step: tuple[subprocess.Popen[bytes], PartLog] | None = None
        self._sweeper: subprocess.Popen[bytes] | None = None

    # --- life -----------------------------------------------------------------------------------

    def run(self) -> None:
        """Until SIGTERM or SIGINT. Raises PartFailed; in either case no child is left."""
        processes.adopt_orphans()
        self._listen_for_signals()
        self._start_sweeper()
        self.log.say(
            f"starting {', '.join(self.children)}; what they say stands in {self.log_folder}"
        )
        try:
            while not self.signals:
                self._turn()
        finally:
            self._stop()

    def _turn(self) -> None:
        now_s = time.monotonic()
        for child in self.children.values():
            if self._is_due(child, now_s):
                child.start(self.env, now_s)
                self._watch(child.process, child.log)
            elif not child.look() and not child.was_ready:
                self._check_start_limit(child, now_s)
        is_busy = not all(child.is_ready for child in self.children.values())
        if not is_busy and not self._is_announced and self._step is None:
            self._go_on()
        self._read(BUSY_TICK_S if is_busy else IDLE_TICK_S)
        self._collect()

    def _is_due(self, child: Child, now_s: float) -> bool:
        if child.start_at_s is None or now_s < child.start_at_s:
            return False
        part = child.part
        return all(self.children[name].is_ready for name in part.needs) and all(
            self.children[name].was_ready for name in part.behind
        )

    def _check_start_limit(self, child: Child, now_s: float) -> None:
        if child.process is not None and now_s - child.started_s > START_LIMIT_S:
            raise self._failure(child, f"has not answered in {START_LIMIT_S:.0f} s")

    def _go_on(self) -> None:
        """All parts answer: run the next step, or say that we are ready."""
        if not self.steps:
            self._is_announced = True
            self.on_ready()
            return
        step = self.steps.pop(0)
        self.log.say(f"all parts answer; now: {step.name}")
        log = self._log_of(step.name)
        output = os.open(step.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            process = spawn(step.command, self.env, stdout=output)
        finally:
            os.close(output)
        self._step = process, log
        self._watch(process, log)

    # --- deaths ---------------------------------------------------------------------------------

    def _collect(self) -> None:
        for pid, code in processes.reap().items():
            self._tell_sweeper("-", pid)
            if self._step is not None and self._step[0].pid == pid:
                self._step_ended(code)
            for child in self.children.values():
                if child.process is not None and child.process.pid == pid:
                    self._child_ended(child, code)

    def _child_ended(self, child: Child, code: int) -> None:
        assert child.process is not None
        child.process.returncode = code
        self._drain(child.process, child.log)
        # Its own children must not meet those of its successor.
        processes.kill_group(child.process.pid)
        how = processes.describe_exit(code)
        if not child.was_ready:
            child.process = None
            raise self._failure(child, f"cannot be started ({how})")
        wait_s = child.ended(time.monotonic())
        self.log.say(f"{child.part.name} ended ({how}); it is started again in {wait_s:g} s")

    def _step_ended(self, code: int) -> None:
        assert self._step is not None
        process, log = self._step
        process.returncode = code
        self._drain(process, log)
        self._step = None
        if code:
            self.log.say(f"{log.name} failed ({processes.describe_exit(code)}): see {log.path}")

    def _failure(self, child: Child, what: str) -> PartFailed:
        name, log = child.part.name, child.log
        return PartFailed(f"{name} {what}. The end of {log.path}:\n{log.end()}")

    # --- output ---------------------------------------------------------------------------------

    def _log_of(self, name: str) -> PartLog:
        return PartLog(
            self.log_folder, name, is_echoed=lambda: self.is_talkative or self._is_announced
        )

    def _watch(self, process: subprocess.Popen[bytes] | None, log: PartLog) -> None:
        assert process is not None
        assert process.stderr is not None
        self._tell_sweeper("+", process.pid)
        self.selector.register(process.stderr, selectors.EVENT_READ, log)

    def _read(self, timeout_s: float) -> None:
        for key, _ in self.selector.select(timeout_s):
            if isinstance(key.data, PartLog):
                self._take(key.fileobj, key.data)  # type: ignore[arg-type]  # registered as IO
            else:
                os.read(key.fd, READ_BYTES)

    def _take(self, pipe: IO[bytes], log: PartLog) -> bool:
        chunk = pipe.read(READ_BYTES)
        if chunk:
            log.feed(chunk)
        elif chunk == b"":
            self.selector.unregister(pipe)
            pipe.close()
        return bool(chunk)

    def _drain(self, process: subprocess.Popen[bytes], log: PartLog) -> None:
        """What it wrote last; grandchildren may still hold the pipe, so never wait for its end."""
        assert process.stderr is not None
        while not process.stderr.closed and self._take(process.stderr, log):
            pass
        if not process.stderr.closed:
            self.selector.unregister(process.stderr)
            process.stderr.close()
        log.flush()

    # --- the end --------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Ask, wait, kill: first what others do not need, then the rest, then what ran astray."""
        self.log.say("ending all parts")
        needed = {name for child in self.children.values() for name in child.part.needs}
        first = [self._running(name) for name in self.children if name not in needed]
        if self._step is not None:
            first.append(self._step)
        last = [self._running(name) for name in needed]
        self._end([pair for pair in first if pair], STOP_GRACE_S)
        self._end([pair for pair in last if pair], LAST_GRACE_S)
        self._end_strays()
        self._release()

    def _running(self, name: str) -> tuple[subprocess.Popen[bytes], PartLog] | None:
        child = self.children[name]
        return (child.process, child.log) if child.process is not None else None

    def _end(
        self, running: Sequence[tuple[subprocess.Popen[bytes], PartLog]], grace_s: float
    ) -> None:
        left = {p.pid: (p, log) for p, log in running if p.pid not in self._ended}
        for pid in left:
            processes.send(pid, signal.SIGTERM)
        deadline_s = time.monotonic() + grace_s
        while left:
            if time.monotonic() > deadline_s or self._is_hurried():
                for pid in left:
                    processes.kill_group(pid)
            self._read(BUSY_TICK_S)
            for pid, code in processes.reap().items():
                # One of those that are ended later may have died now; it is reaped only once.
                self._ended.add(pid)
                if pid in left:
                    process, log = left.pop(pid)
                    process.returncode = code
                    self._drain(process, log)
                    processes.kill_group(pid)
                    self._tell_sweeper("-", pid)

    def _is_hurried(self) -> bool:
        """Whether a second signal has come: nothing is waited for any more."""
        if self.signals > 1 and not self._is_hurry_said:
            self._is_hurry_said = True
            self.log.say("asked again: killing what is left")
        return self.signals > 1

    def _end_strays(self) -> None:
        """Descendants that left their group; as their adoptive parent we see all of them."""
        keep = {self._sweeper.pid} if self._sweeper is not None else set()
        while strays := processes.descendants(os.getpid()) - keep:
            for pid in strays:
                processes.send(pid, signal.SIGKILL)
            processes.reap()
            time.sleep(0.01)

    def _release(self) -> None:
        if self._sweeper is not None and self._sweeper.stdin is not None:
            self._sweeper.stdin.close()
            self._sweeper.wait()
        for child in self.children.values():
            child.log.close()
        self.log.close()
        self.selector.close()
        signal.set_wakeup_fd(-1)
        os.close(self._wakeup_in)
        os.close(self._wakeup_out)

    # --- plumbing -------------------------------------------------------------------------------

    def _listen_for_signals(self) -> None:
        self._wakeup_out, self._wakeup_in = os.pipe()
        os.set_blocking(self._wakeup_in, False)
        os.set_blocking(self._wakeup_out, False)
        signal.set_wakeup_fd(self._wakeup_in, warn_on_full_buffer=False)
        self.selector.register(self._wakeup_out, selectors.EVENT_READ)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        self.signals += 1

    def _start_sweeper(self) -> None:
        self._sweeper = subprocess.Popen(
            (sys.executable, "-I", "-S", str(SWEEPER)),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=() if self.lock is None else (self.lock,),
        )

    def _tell_sweeper(self, sign: str, group: int) -> None:
        if self._sweeper is None or self._sweeper.stdin is None:
            return
        try:
            self._sweeper.stdin.write(f"{sign}{group}\n".encode())
            self._sweeper.stdin.flush()
        except OSError:
            # It was killed: the tethers still hold.
            return

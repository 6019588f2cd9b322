"""How far something is. Silent unless asked: a library does not draw on its user's terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TextIO


class Step(Protocol):
    """One thing that takes a while."""

    def reach(self, done: float, total: float | None = None, note: str | None = None) -> None:
        """Be at ``done`` of ``total``, in bytes or rows; a total of None keeps the one before."""


class Progress(Protocol):
    """Shows steps to somebody."""

    def step(
        self, title: str, total: float | None = None, *, in_bytes: bool = False
    ) -> AbstractContextManager[Step]:
        """A step under this title until the context ends."""


class _SilentStep:
    def reach(self, done: float, total: float | None = None, note: str | None = None) -> None:
        del done, total, note


class Silent:
    """Shows nothing."""

    @contextmanager
    def step(
        self, title: str, total: float | None = None, *, in_bytes: bool = False
    ) -> Iterator[Step]:
        """A step that nobody sees."""
        del title, total, in_bytes
        yield _SilentStep()


class _Bar:
    def __init__(self, bars: Any, task: Any, title: str) -> None:
        self._bars, self._task, self._title = bars, task, title

    def reach(self, done: float, total: float | None = None, note: str | None = None) -> None:
        title = f"{self._title}: {note}" if note else self._title
        known = {} if total is None else {"total": total}
        self._bars.update(self._task, completed=done, description=title, **known)


class Bars:
    """rich's progress bars on a stream that is a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @contextmanager
    def step(
        self, title: str, total: float | None = None, *, in_bytes: bool = False
    ) -> Iterator[Step]:
        """One bar, gone when the step ends."""
        # Here, not above: only a terminal needs it, and it takes a while to import.
        from rich import progress as rich_progress
        from rich.console import Console
        from rich.markup import escape

        amount = rich_progress.DownloadColumn() if in_bytes else rich_progress.MofNCompleteColumn()
        bars = rich_progress.Progress(
            rich_progress.TextColumn("{task.description}"),
            rich_progress.BarColumn(),
            amount,
            rich_progress.TimeRemainingColumn(),
            console=Console(file=self._stream),
            transient=True,
        )
        with bars:
            yield _Bar(bars, bars.add_task(escape(title), total=total), escape(title))


def progress_for(stream: TextIO) -> Progress:
    """Bars where the stream is a terminal, else nothing."""
    return Bars(stream) if stream.isatty() else Silent()

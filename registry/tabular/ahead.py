"""Plain: read ahead in a thread of its own: Arrow computes outside of the interpreter's lock."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
DEPTH = 2


@contextmanager
def ahead(source: Generator[T, None, None], *, depth: int = DEPTH) -> Iterator[Iterator[T]]:
    """The same items, ``depth`` of them prepared in advance; what the source raises is raised.

    Leaving the block closes the source and ends the thread, however much of it is left.
    """
    items: queue.Queue[tuple[str, Any]] = queue.Queue(maxsize=depth)
    is_over = threading.Event()
    thread = threading.Thread(target=_fill, args=(source, items, is_over), daemon=True)
    thread.start()
    try:
        yield _taken(items)
    finally:
        is_over.set()
        thread.join()


def _fill(
    source: Generator[T, None, None], items: queue.Queue[tuple[str, Any]], is_over: threading.Event
) -> None:
    try:
        with closing(source):
            for item in source:
                if not _put(items, ("item", item), is_over):
                    return
        _put(items, ("end", None), is_over)
    except BaseException as error:
        _put(items, ("error", error), is_over)


def _put(
    items: queue.Queue[tuple[str, Any]], entry: tuple[str, Any], is_over: threading.Event
) -> bool:
    while not is_over.is_set():
        try:
            items.put(entry, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False


def _taken(items: queue.Queue[tuple[str, Any]]) -> Iterator[Any]:
    while True:
        kind, content = items.get()
        if kind == "end":
            return
        if kind == "error":
            raise content
        yield content

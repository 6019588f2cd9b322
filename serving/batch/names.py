"""Plain: what the files of a job are called. A name belongs to one attempt and to its bytes."""

from __future__ import annotations

import re
from typing import Literal
from uuid import UUID

Content = Literal["results", "rejects"]
FOLDER = "batch"
_NAME = re.compile(
    rf"{FOLDER}/(?P<job>[0-9a-f-]{{36}})/(?P<index>\d{{6,}})-(?P<attempt>\d{{4,}})"
    r"-[0-9a-f]{16}-(results|rejects)\.parquet"
)


def part_name(job_id: UUID, index: int, attempt: int, sha256: str, content: Content) -> str:
    """Where one chunk's results or rejects live in the storage.

    The attempt makes it unique (a loser never touches the winner's file), the digest shows what
    was meant to be in it.
    """
    return f"{FOLDER}/{job_id}/{index:06d}-{attempt:04d}-{sha256[:16]}-{content}.parquet"


def attempt_of(name: str) -> tuple[int, int] | None:
    """The chunk's index and the attempt that a part is of, or None for a name that is not ours."""
    match = _NAME.fullmatch(name)
    return (int(match["index"]), int(match["attempt"])) if match else None


def job_of(name: str) -> UUID | None:
    """The job that a part belongs to, or None for a name that is not one of ours."""
    match = _NAME.fullmatch(name)
    return UUID(match["job"]) if match else None

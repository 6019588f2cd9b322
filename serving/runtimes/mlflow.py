"""Runtime for MLflow folders as zip: the model inside, opened by the runtime of its own format.

The zip is read by the very reader that the gate has read it with, so that both see the same
bytes; MLflow itself is not needed.
"""

from __future__ import annotations

import io
import os
from typing import BinaryIO

from registry.errors import CheckRefused
from registry.formats import FORMATS
from registry.scan.finding import Refused
from registry.scan.mlflow_look import open_folder
from serving.runtimes.base import LoadedModel


def load(artifact: BinaryIO, format: str) -> LoadedModel:
    """The model in the folder. Raises CheckRefused as the runtime of its format does."""
    from serving.runtimes import load_runtime  # which has this module in its table

    del format
    size = artifact.seek(0, os.SEEK_END)
    try:
        folder = open_folder(artifact, size)
        content = folder.inner()
    except Refused as refused:
        raise CheckRefused(refused.reason, refused.finding({}).summary) from None
    inner = FORMATS[folder.flavor.format]
    return load_runtime(inner.runtime).load(io.BytesIO(content), inner.key)

"""Modelyard's Python client: push a fitted model, score rows, run batch jobs.

import modelyard
client = modelyard.Client()
client.push(pipeline, "churn", example=X.head(100))
client.score("churn", X).to_pandas()
"""

from modelyard.client import Client
from modelyard.datasets import Dataset, DatasetVersion
from modelyard.errors import (
    Conflict,
    ConnectionFailed,
    DatasetRejected,
    InvalidField,
    InvalidRows,
    JobFailed,
    ModelyardError,
    ModelyardWarning,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    RateLimited,
    RowError,
    Unavailable,
    UsageError,
    VersionRejected,
    WaitTimedOut,
)
from modelyard.jobs import BatchJob
from modelyard.scores import ScoreResult
from modelyard.versions import Check, Version

__all__ = [
    "BatchJob",
    "Check",
    "Client",
    "Conflict",
    "ConnectionFailed",
    "Dataset",
    "DatasetRejected",
    "DatasetVersion",
    "InvalidField",
    "InvalidRows",
    "JobFailed",
    "ModelyardError",
    "ModelyardWarning",
    "NotAllowed",
    "NotAuthenticated",
    "NotFound",
    "RateLimited",
    "RowError",
    "ScoreResult",
    "Unavailable",
    "UsageError",
    "Version",
    "VersionRejected",
    "WaitTimedOut",
]

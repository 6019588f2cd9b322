"""The things of the tests: models, versions and datasets with fixed, readable values."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from registry import storage
from registry.actions import datasets as dataset_actions
from registry.actions import verdicts
from registry.actions.ingest import ingest_dataset
from registry.actions.models import create_model
from registry.actions.versions import Upload, register_version
from registry.models import Dataset, DatasetVersion, ModelVersion, RegisteredModel
from registry.scan.edition import gate_version
from tests.cards import CARD
from tests.people import Person

SIGNATURE: dict[str, Any] = {
    "inputs": [
        {"name": "age", "type": "int64", "nullable": False},
        {"name": "city", "type": "string", "nullable": True},
    ],
    "outputs": [{"name": "prediction", "type": "string", "nullable": False}],
    "params": [],
}
FACTS = {"estimator": "sklearn.linear_model.LogisticRegression"}
CUSTOMERS = b"age,city\r\n42,Rome\r\n7,Oslo\r\n9,\r\n"


def model_bytes(seed: str = "churn") -> bytes:
    """Bytes that begin as a pickle does; nobody loads them here."""
    return pickle.dumps({"seed": seed}, protocol=4)


def model_file(seed: str = "churn", name: str = "model.pkl") -> SimpleUploadedFile:
    """A model file to be sent in a form."""
    return SimpleUploadedFile(name, model_bytes(seed))


def table_file(body: bytes = CUSTOMERS, name: str = "customers.csv") -> SimpleUploadedFile:
    """A table to be sent in a form."""
    return SimpleUploadedFile(name, body)


def a_model(by: Person, name: str = "churn", **values: Any) -> RegisteredModel:
    """A model of somebody who may make one; a guarded one has its card."""
    if values.get("approval_required"):
        values = {"card": CARD, **values}
    return create_model(by=by.by, name=name, **values)


def a_version(
    model: RegisteredModel, by: Person, *, status: str = "ready", seed: str = "churn", **values: Any
) -> ModelVersion:
    """A version that stands where it is told, without its checks having run."""
    stored = storage.put_bytes(model_bytes(seed))
    version = register_version(
        by=by.by, model=model, artifact=Upload(stored, "pickle", "model.pkl"), **values
    )
    now = timezone.now()
    found = {"signature": SIGNATURE, "facts": FACTS} if status in ("ready", "archived") else {}
    is_settled = status not in ("pending", "checking")
    settled = {"settled_at": now, "gate_version": gate_version()} if is_settled else {}
    ready = {"ready_at": now} if status in ("ready", "archived") else {}
    ModelVersion.objects.filter(pk=version.pk).update(status=status, **found, **settled, **ready)
    return ModelVersion.objects.select_related("model", "artifact").get(pk=version.pk)


def checked(version: ModelVersion, *, needs_review: bool = False) -> ModelVersion:
    """Claim a pending version and let all of its checks pass, the last maybe with a question."""
    assert ModelVersion.objects.claim_check(version.pk, lease_s=60)
    version.refresh_from_db()
    verdicts.record_findings(version, signature=SIGNATURE, facts=FACTS)
    seen = {"gate_version": gate_version(), "globals": {"sklearn.linear_model.Ridge": 1}}
    verdicts.record_check(version, "scan", "passed", "Looks as it should.", seen)
    verdicts.record_check(version, "load", "passed", "Loaded.", dict(FACTS))
    verdicts.record_check(version, "signature", "passed", "2 inputs, 1 output.")
    version = verdicts.record_check(version, "golden", "skipped", "No example.")
    return verdicts.record_check(
        version, "compile", "skipped", "The original serves.", needs_review=needs_review
    )


def a_quarantined_version(
    model: RegisteredModel, by: Person, seed: str = "churn", **values: Any
) -> ModelVersion:
    """A version whose checks have all passed and that waits for a reviewer."""
    version = a_version(model, by, status="pending", seed=seed, **values)
    return checked(version, needs_review=True)


def a_dataset_version(
    by: Person,
    name: str = "customers",
    body: bytes = CUSTOMERS,
    format: str = "csv",
    *,
    is_read: bool = True,
    **values: Any,
) -> DatasetVersion:
    """A dataset's next version; read at once unless told otherwise."""
    upload = Upload(storage.put_bytes(body), format, f"{name}.{format}")
    version, _ = dataset_actions.upload_dataset(by=by.by, name=name, upload=upload, **values)
    if is_read:
        ingest_dataset(version.pk)
        version.refresh_from_db()
    return version


def an_output(by: Person, of: DatasetVersion, name: str) -> DatasetVersion:
    """What a batch job would have made of a dataset version: the same rows again."""
    return dataset_actions.create_output(
        by=by.user,
        name=name,
        rows=of.rows or 0,
        columns=of.columns,
        parts=of.parts,
        size_bytes=of.size_bytes,
        parents=[of],
        classification=of.dataset.classification,
    )


def kept_files() -> set[str]:
    """The digests of all blobs that the storage holds."""
    folder = storage.scratch_folder().parent / "storage" / "blobs"
    return {path.name for path in folder.glob("*/*")}


def scratch_files() -> list[str]:
    """What lies in the scratch folder."""
    return sorted(path.name for path in storage.scratch_folder().iterdir())


def sha256(body: bytes) -> str:
    """The digest in hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def listed(answer: Mapping[str, Any], field: str = "name") -> list[Any]:
    """One field of each row of a list."""
    return [row[field] for row in answer["results"]]


def dataset_named(name: str) -> Dataset:
    """The dataset as it stands now."""
    return Dataset.objects.get(name=name)

"""Plain: an MLflow folder as a zip: ``MLmodel``, and the model in it by the look of its format.

The folder may lie at the top of the archive or in one folder there. Nothing is extracted.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, BinaryIO

from registry.scan import mlmodel, mlmodel_inputs
from registry.scan.finding import Finding, Refused, shown
from registry.scan.mlmodel import Flavor, malformed
from registry.scan.zips import Zip

INNER_MAX_BYTES = 1 << 30
EXAMPLE_MAX_BYTES = 1 << 20
_MLMODEL = "MLmodel"


@dataclass(frozen=True, slots=True)
class MlflowFolder:
    """A folder whose zip and ``MLmodel`` stood every check. ``top`` is empty or ends with a /."""

    archive: Zip
    top: str
    told: dict[str, Any]
    flavor: Flavor

    def inner(self) -> bytes:
        """The bytes of the model."""
        return self.archive.whole(self.top + self.flavor.path, INNER_MAX_BYTES)

    def member(self, path: object, limit: int) -> bytes | None:
        """The bytes of another member; None where there is none, or it is longer."""
        name = f"{self.top}{path}"
        found = self.archive.members.get(name)
        return (
            None if found is None or found.size_bytes > limit else self.archive.whole(name, limit)
        )


def open_folder(file: BinaryIO, size: int) -> MlflowFolder:
    """The folder; looking and loading read it through the same eyes. Raises Refused."""
    archive = Zip(file, 0, size, folders=True)
    top = _top(archive)
    told = mlmodel.read_mlmodel(archive.whole(top + _MLMODEL, mlmodel.MAX_BYTES))
    flavor = mlmodel.flavor_of(told)
    if any(name.startswith(f"{top}code/") for name in archive.members):
        raise Refused("mlflow-flavor", "The MLflow folder brings code of its own (code_paths)")
    if top + flavor.path not in archive.members:
        raise malformed(f"{shown(flavor.path)} is not in it")
    return MlflowFolder(archive, top, told, flavor)


def _top(archive: Zip) -> str:
    if _MLMODEL in archive.members:
        return ""
    tops = {name.partition("/")[0] for name in archive.members}
    top = f"{min(tops, default='')}/"
    if len(tops) != 1 or top + _MLMODEL not in archive.members:
        raise malformed(
            "the zip archive has no MLmodel, at its top or in the one folder there, so it is none "
            "of MLflow; networks are taken as ONNX"
        )
    return top


def look_at_mlflow(file: BinaryIO, size: int, evidence: dict[str, Any]) -> Finding:
    """The finding on the model inside, with what the folder says; raises Refused.

    Evidence ``taken_over`` holds the folder's own signature and example rows where they can be
    used: ``{"signature": {...} | None, "example": [row, ...] | None, "notes": [...]}``. It holds
    cells, so whoever keeps evidence takes it out first.
    """
    folder = open_folder(file, size)
    evidence |= {
        "flavor": folder.flavor.key,
        "holds": folder.flavor.format,
        "member": shown(folder.flavor.path),
        "mlflow_version": shown(folder.told.get("mlflow_version", ""), 40),
        "members": len(folder.archive.members),
    }
    found = _look_inside(folder)
    told = {**found.evidence, **evidence, "member_bytes": found.evidence.get("size_bytes")}
    summary = f"An MLflow folder ({folder.flavor.key}). {found.summary}"
    if found.verdict == "passed":
        told["taken_over"] = mlmodel_inputs.taken_over(
            folder.told, lambda path: folder.member(path, EXAMPLE_MAX_BYTES)
        )
    return Finding(found.verdict, found.reason, summary, told)


def _look_inside(folder: MlflowFolder) -> Finding:
    from registry.scan.looking import look  # which has this look in its table

    content = folder.inner()
    return look(io.BytesIO(content), len(content), folder.flavor.format)

"""How to call a model, written out for it: its own columns, its own address."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from registry.conf import conf
from registry.models import ModelVersion, RegisteredModel
from registry.signature.json_schema import example_row
from registry.signature.types import Signature


def base_url(request: HttpRequest) -> str:
    """Where people reach this server, without a slash at the end."""
    return conf.public_url or request.build_absolute_uri("/").rstrip("/")


def examples_for(
    request: HttpRequest, model: RegisteredModel, version: ModelVersion | None
) -> dict[str, str] | None:
    """Commands to paste for a model; None while no version has a signature to write them from."""
    if version is None or version.signature is None:
        return None
    return _examples(base_url(request), f"models/{model.name}", Signature.from_json(version.signature))


def version_examples(request: HttpRequest, version: ModelVersion) -> dict[str, str] | None:
    """The same for one version by its number."""
    if version.signature is None:
        return None
    path = f"models/{version.model.name}/versions/{version.number}"
    return _examples(base_url(request), path, Signature.from_json(version.signature))


def _examples(base: str, path: str, signature: Signature) -> dict[str, str]:
    row = example_row(signature)
    address = f"{base}/api/v1/{path}/predict"
    return {
        "address": address,
        "curl": _curl(address, row),
        "python": _python(address, row),
        "csv": _csv(address, row),
    }


def _curl(address: str, row: Mapping[str, Any]) -> str:
    body = json.dumps({"instances": [row]}, ensure_ascii=False)
    return (
        f"curl {address} \\\n"
        '  -H "Authorization: Bearer $MODELYARD_API_KEY" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        f"  -d {_shell_quoted(body)}"
    )


def _python(address: str, row: Mapping[str, Any]) -> str:
    return (
        "import os\nimport httpx\n\n"
        "answer = httpx.post(\n"
        f"    {address!r},\n"
        '    headers={"Authorization": f"Bearer {os.environ[\'MODELYARD_API_KEY\']}"},\n'
        f'    json={{"instances": [{dict(row)!r}]}},\n'
        ")\nanswer.raise_for_status()\n"
        'print(answer.json()["predictions"])'
    )


def _csv(address: str, row: Mapping[str, Any]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(row)
    writer.writerow("" if cell is None else _csv_cell(cell) for cell in row.values())
    return (
        "cat > rows.csv <<'END'\n"
        f"{text.getvalue()}END\n"
        f"curl {address} \\\n"
        '  -H "Authorization: Bearer $MODELYARD_API_KEY" \\\n'
        '  -H "Content-Type: text/csv" -H "Accept: text/csv" \\\n'
        "  --data-binary @rows.csv"
    )


def _csv_cell(cell: Any) -> Any:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return json.dumps(cell) if isinstance(cell, list | dict) else cell


def _shell_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"

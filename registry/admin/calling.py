"""How to call a model, written out for it: its own columns, its own address."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pprint import pformat
from typing import Any

from django.http import HttpRequest

from registry.conf import conf
from registry.models import ModelVersion
from registry.panels import contents_of
from registry.signature.json_schema import example_row
from registry.signature.types import Signature

LINE_CHARS = 60


def base_url(request: HttpRequest) -> str:
    """Where people reach this server, without a slash at the end."""
    return conf.public_url or request.build_absolute_uri("/").rstrip("/")


def examples_for(
    request: HttpRequest, version: ModelVersion | None, *, by_number: bool = False
) -> dict[str, str] | None:
    """Commands to paste, for a model by its name or ``by_number`` of the version.

    They hold a real row where the upper building knows one (panel page ``example``), else an
    invented one; None while no version has a signature to write them from.
    """
    if version is None or version.signature is None:
        return None
    path = f"models/{version.model.name}" + (f"/versions/{version.number}" if by_number else "")
    row = example_row(Signature.from_json(version.signature))
    for content in contents_of("example", request, version):
        row |= content.context
    address = f"{base_url(request)}/api/v1/{path}/predict"
    return {
        "address": address,
        "curl": _curl(address, row),
        "python": _python(address, row),
        "csv": _csv(address, row),
    }


def _curl(address: str, row: Mapping[str, Any]) -> str:
    body = _json({"instances": [row]})
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
        f'    json={{"instances": [{_literal(row)}]}},\n'
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


def _json(body: Mapping[str, Any]) -> str:
    """On one line where that is short, else one column a line."""
    line = json.dumps(body, ensure_ascii=False)
    return line if len(line) <= LINE_CHARS else json.dumps(body, indent=2, ensure_ascii=False)


def _literal(row: Mapping[str, Any]) -> str:
    text = pformat(dict(row), sort_dicts=False, width=LINE_CHARS)
    return text.replace("\n", "\n" + " " * 25)


def _csv_cell(cell: Any) -> Any:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return json.dumps(cell) if isinstance(cell, list | dict) else cell


def _shell_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"

"""Web, worker and beat start without what only models need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

LOOK = """
import json, sys
import {module}
import django
django.setup()
from django.urls import get_resolver
get_resolver().url_patterns
from config.celery import app
app.loader.import_default_modules()
import pyarrow
pyarrow.array([1, None])
refused = []
for name in ("pandas", "sklearn", "skops"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        refused.append(name)
print(json.dumps([sorted(sys.modules), refused]))
"""


@pytest.mark.parametrize("module", ["config.wsgi", "config.celery"])
def test_what_only_models_need_is_not_there(repository: Path, tmp_path: Path, module: str) -> None:
    env = {"PATH": os.environ["PATH"], "MODELYARD_HOME": str(tmp_path), "MODELYARD_LEAN": "1"}
    done = subprocess.run(
        [sys.executable, "-c", LOOK.format(module=module)],
        cwd=repository,
        env=env | {"DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded, refused = json.loads(done.stdout)
    assert refused == ["pandas", "sklearn", "skops"]
    heavy = {"pandas", "sklearn", "skops", "joblib", "scipy", "onnx", "onnxruntime", "boto3"}
    assert heavy & set(loaded) == set()

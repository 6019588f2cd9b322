"""Program for a service's environment: so many more models, each with a graph of its own.

    many_versions.py MODEL COUNT

Each is a copy of MODEL's first version under another name. Its graph differs in a remark only, so
it has another digest and is opened as a graph of its own; nothing is checked again.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import django
import onnx

django.setup()

from registry import storage
from registry.models import Alias, ModelVersion, RegisteredModel


def main(name: str, count: int) -> None:
    """Make them."""
    version = ModelVersion.objects.select_related("model").get(model__name=name, number=1)
    with storage.open_verified(version.compiled_sha256) as file:
        graph = onnx.load_model_from_string(file.read())
    for at in range(count):
        graph.doc_string = f"copy {at}"
        stored = storage.put_bytes(graph.SerializeToString())
        model = RegisteredModel.objects.create(name=f"{name}-{at}", owner=version.created_by)
        copy = ModelVersion.objects.get(pk=version.pk)
        copy.pk, copy.model, copy.compiled_sha256 = None, model, stored.sha256
        copy._state.adding = True
        copy.save()
        Alias.objects.create(model=model, name="champion", version=copy)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

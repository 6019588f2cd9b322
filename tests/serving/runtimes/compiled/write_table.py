"""Writes the tables of docs/compiled.md anew. Run it as a module: ``python -m``."""

from __future__ import annotations

from tests.serving.runtimes.compiled.outcomes import DOCS, ESTIMATORS, KINDS, written

if __name__ == "__main__":
    text = DOCS.read_text("utf-8")
    for table in (ESTIMATORS, KINDS):
        text = written(text, table)
    DOCS.write_text(text, "utf-8")

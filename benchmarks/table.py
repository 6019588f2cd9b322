"""The table of figures in the README, written from a file of results.

    python -m benchmarks.table [RESULTS.json [PARTS.json ...]]

Without a file the newest results are taken; the parts that later files have stand instead of the
first one's, with the moment at which they were measured. All is kept as ``results/shown.json``, so
that anybody can hold the table against it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
SHOWN = RESULTS / "shown.json"
README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- figures: written by python -m benchmarks.table -->", "<!-- end of figures -->"
HEAD = (
    "| | what | ours | beside | theirs | ratio | to reach | |\n|---|---|--:|---|--:|--:|--:|---|\n"
)


def rows_of(document: dict[str, Any]) -> str:
    """The table in Markdown. Parts without a figure to reach are left out."""
    lines = [_row(figure) for figure in document["figures"] if "reach" in figure]
    return HEAD + "\n".join(lines) + "\n"


def _row(figure: dict[str, Any]) -> str:
    sign = "≤" if figure["at_most"] else "≥"
    theirs = "" if figure["theirs"] is None else _number(figure["theirs"], figure["unit"])
    cells = (
        figure["key"],
        figure["what"],
        _number(figure["ours"], figure["unit"]),
        figure["beside"],
        theirs,
        f"{figure['ratio']:.2f}",
        f"{sign} {figure['reach']:g}",
        "" if figure["is_met"] else "missed",
    )
    return "| " + " | ".join(cells) + " |"


def _number(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:,.2f} {unit}"


def merged(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The first, with the parts of the others in the place of its own."""
    whole = dict(documents[0])
    for later in documents[1:]:
        anew = {figure["part"] for figure in later["figures"]}
        kept = [figure for figure in whole["figures"] if figure["part"] not in anew]
        at = next((i for i, f in enumerate(whole["figures"]) if f["part"] in anew), len(kept))
        measured = [figure | {"at": later["at"]} for figure in later["figures"]]
        whole["figures"] = kept[:at] + measured + kept[at:]
    return whole


def in_readme(text: str, table: str) -> str:
    """The README with this table between its two marks. Raises ValueError without them."""
    before, after = text.index(BEGIN) + len(BEGIN), text.index(END)
    return f"{text[:before]}\n{table}{text[after:]}"


def main(words: list[str]) -> int:
    """Write the table."""
    dated = sorted(path for path in RESULTS.glob("*.json") if path != SHOWN)
    documents = [json.loads(Path(word).read_text()) for word in words or [str(dated[-1])]]
    document = merged(documents)
    SHOWN.write_text(json.dumps(document, indent=1) + "\n")
    README.write_text(in_readme(README.read_text(), rows_of(document)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

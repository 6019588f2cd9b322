"""The figures in the README are those of the results that are kept beside the code."""

from __future__ import annotations

import json

from benchmarks import table


def test_the_table_in_the_readme_is_written_from_the_kept_results() -> None:
    kept = json.loads(table.SHOWN.read_text())
    text = table.README.read_text()

    assert table.in_readme(text, table.rows_of(kept)) == text


def test_a_missed_goal_is_marked_and_a_value_alone_has_no_peer() -> None:
    figure = {
        "key": "P2",
        "what": "one row",
        "ours": 1234.5,
        "theirs": 2000.0,
        "unit": "rows/s",
        "beside": "a peer",
        "ratio": 0.6172,
        "reach": 0.7,
        "at_most": False,
        "is_met": False,
    }
    alone = figure | {"theirs": None, "beside": "", "at_most": True, "is_met": True, "unit": "s"}

    assert table.rows_of({"figures": [figure, alone, {"name": "a part without a goal"}]}) == (
        table.HEAD
        + "| P2 | one row | 1,234 rows/s | a peer | 2,000 rows/s | 0.62 | ≥ 0.7 | missed |\n"
        + "| P2 | one row | 1,234 s |  |  | 0.62 | ≤ 0.7 |  |\n"
    )


def test_parts_that_were_measured_again_stand_in_the_place_of_the_first() -> None:
    first = [{"part": part, "ratio": 1} for part in ("a", "b", "b", "c")]
    again = {"at": "later", "figures": [{"part": "b", "ratio": 2}]}

    whole = table.merged([{"at": "first", "figures": first}, again])

    assert whole["at"] == "first"
    assert [(f["part"], f["ratio"], f.get("at")) for f in whole["figures"]] == [
        ("a", 1, None),
        ("b", 2, "later"),
        ("c", 1, None),
    ]

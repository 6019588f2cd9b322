"""Types are found from every row of text and JSON, never from a sample of them."""

from __future__ import annotations

import io

import pytest

from registry.tabular import TabularError, infer_columns, read_table

CSV = [
    (["1", "2", "-3"], "int64", False),
    (["1", "", "3"], "float64", True),
    (["1", "NA", "3"], "float64", True),
    (["1", "2.5"], "float64", False),
    (["1.0", "2.0"], "float64", False),
    (["1e3", ".5", "5."], "float64", False),
    (["007", "010"], "string", False),
    (["1", "007"], "string", False),
    (["0", "-0", "0.5"], "float64", False),
    (["-07"], "string", False),
    (["+49", "1"], "string", False),
    (["0x1F", "1"], "string", False),
    (["1_000"], "string", False),
    (["1,5"], "string", False),
    ([" 1", "2 "], "int64", False),
    (["9223372036854775807"], "int64", False),
    (["9223372036854775808", "1"], "uint64", False),
    (["18446744073709551615"], "uint64", False),
    (["18446744073709551617"], "string", False),
    (["9223372036854775808", "-1"], "float64", False),
    (["9223372036854775809", "-1"], "string", False),
    (["9007199254740993", ""], "string", True),
    (["9007199254740993", "0.5"], "string", False),
    (["9007199254740992", ""], "float64", True),
    (["1e400"], "string", False),
    (["inf", "1.5"], "string", False),
    (["1.5", "-Infinity"], "string", False),
    (["true", "false"], "boolean", False),
    (["true", ""], "boolean", True),
    (["true", "1"], "string", False),
    (["True", "False"], "string", False),
    (["1", "0"], "int64", False),
    (["2026-01-31", "0001-01-01"], "date", False),
    (["2026-01-31", "NA"], "date", True),
    (["2026-02-30"], "string", False),
    (["2026-1-1"], "string", False),
    (["0000-01-01"], "string", False),
    (["2026-01-31T12:00:00Z", "2026-01-31 12:00:00+01:00"], "datetime", False),
    (["2026-01-31t12:00:00.123456000z"], "datetime", False),
    (["2026-01-31T12:00:00"], "string", False),
    (["2026-01-31T12:00Z"], "string", False),
    (["2026-01-31T12:00:00.1234567Z"], "string", False),
    (["2026-01-31", "2026-01-31T12:00:00Z"], "string", False),
    (["", ""], "float64", True),
    (["NA", "null"], "float64", True),
    (["x", ""], "string", True),
    (["x", '""'], "string", False),
    (['""', "1"], "string", False),
    (["NA", "x"], "string", False),
]


def csv_of(cells: list[str]) -> bytes:
    quoted = [f'"{cell}"' if "," in cell else cell for cell in cells]
    return ("a,b\n" + "".join(f"{cell},x\n" for cell in quoted)).encode()


@pytest.mark.parametrize(("cells", "key", "nullable"), CSV)
def test_the_type_of_a_csv_column(cells, key, nullable):
    column = infer_columns(io.BytesIO(csv_of(cells)), "csv")[0]
    assert (column.type, column.nullable) == (key, nullable)


@pytest.mark.parametrize(("cells", "key", "nullable"), CSV)
def test_the_last_row_of_a_long_column_counts_as_much_as_the_first(
    cells, key, nullable, monkeypatch
):
    monkeypatch.setattr("registry.tabular.csv_read.BLOCK_BYTES", 512)
    content = csv_of([cells[0]] * 500 + cells)
    column = infer_columns(io.BytesIO(content), "csv")[0]
    assert (column.type, column.nullable) == (key, nullable)


def test_no_cell_of_a_wide_integer_column_is_changed():
    ids = ["9007199254740993", "18446744073709551615", "1"]
    assert read_table(io.BytesIO(csv_of(ids)), "csv").to_pydict()["a"] == [int(i) for i in ids]
    gaps = [*ids, ""]
    assert read_table(io.BytesIO(csv_of(gaps)), "csv").to_pydict()["a"] == [*ids, None]


JSON = [
    ("[1, 2]", "int64", False),
    ("[1, null]", "float64", True),
    ("[1, 2.0]", "float64", False),
    ("[18446744073709551615]", "uint64", False),
    ("[true, null]", "boolean", True),
    ('["007", "1"]', "string", False),
    ('["true"]', "string", False),
    ('["NA", "2026-01-31"]', "string", False),
    ('["2026-01-31"]', "date", False),
    ('["2026-01-31T12:00:00Z", null]', "datetime", True),
    ('["2026-01-31T12:00:00"]', "string", False),
    ('[""]', "string", False),
    ("[null]", "float64", True),
]


@pytest.mark.parametrize(("values", "key", "nullable"), JSON)
@pytest.mark.parametrize("format", ["jsonl", "json"])
def test_the_type_of_a_json_column(values, key, nullable, format):
    import json

    rows = [{"a": value} for value in json.loads(values)]
    content = json.dumps(rows) if format == "json" else "\n".join(map(json.dumps, rows))
    column = infer_columns(io.BytesIO(content.encode()), format)[0]
    assert (column.type, column.nullable) == (key, nullable)


@pytest.mark.parametrize(
    ("lines", "reason", "code", "line"),
    [
        (['{"a":1}', '{"a":"x"}'], "mixed-types", "not-a-number", 2),
        (['{"a":"x"}', "", '{"a":true}'], "mixed-types", "not-a-string", 3),
        (['{"a":true}', '{"a":1}'], "mixed-types", "not-a-boolean", 2),
        (['{"a":[1]}'], "nested-values", "wrong-shape", 1),
        (['{"a":1}', '{"a":{"b":1}}'], "nested-values", "wrong-shape", 2),
    ],
)
def test_mixtures_and_nested_values_are_refused_with_row_and_line(lines, reason, code, line):
    with pytest.raises(TabularError) as caught:
        infer_columns(io.BytesIO("\n".join(lines).encode()), "jsonl")
    problem = caught.value.problems[0]
    assert (caught.value.reason, problem.code, problem.line) == (reason, code, line)
    assert problem.column == "a"

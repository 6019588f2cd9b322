"""Rows that cover a signature, and rows on either side of every threshold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from registry.signature.facts import ColumnHint
from registry.signature.types import Column, Signature
from registry.signature.validate import validate_table
from serving.runtimes.compiled.rows import UNSEEN, Covering
from serving.runtimes.compiled.threshold_rows import rows_on_thresholds
from serving.runtimes.sklearn.model import SklearnModel

SIGNATURE = Signature(
    (
        Column("price", "float64", nullable=True, min=-5.0, max=1e6),
        Column("count", "int8"),
        Column("code", "float32"),
        Column("town", "string", nullable=True),
        Column("size", "string", enum=("S", "M")),
        Column("is_new", "boolean"),
        Column("seen", "datetime"),
        Column("grid", "float64", shape=(2, 2)),
    )
)
HINTS = {"town": ColumnHint(type="string", categories=("Rome", "Oslo"))}


def covering() -> Covering:
    return Covering(SIGNATURE, HINTS, [], np.random.default_rng(5))


def test_all_rows_fit_the_signature():
    for rows in (covering().rows(500), covering().extremes()):
        assert rows.num_rows > 50
        assert validate_table(SIGNATURE, rows).problems == ()


def test_every_known_category_unseen_ones_and_nulls_are_among_them():
    rows = covering().rows(2_000)

    towns = set(rows.column("town").to_pylist())
    assert {"Rome", "Oslo", None, *UNSEEN} == towns
    assert set(rows.column("size").to_pylist()) == {"S", "M"}
    assert rows.column("price").null_count > 100
    assert set(covering().rows(500, unseen=False).column("town").to_pylist()) == {
        "Rome", "Oslo", None,
    }  # fmt: skip


def test_extremes_have_the_ends_of_each_type_and_of_its_bounds():
    rows = covering().extremes()

    assert {-128, 127} <= set(rows.column("count").to_pylist())
    prices = set(rows.column("price").to_pylist())
    assert {None, -5.0, 1e6, 5e-324} <= prices
    assert any(np.signbit(v) for v in prices if v == 0.0) or 0.0 in prices


def test_the_same_seed_makes_the_same_rows():
    assert covering().rows(100).equals(covering().rows(100))


@pytest.mark.parametrize("kind", ["float64", "int64", "float32"])
def test_each_threshold_gets_a_row_on_either_side_and_one_step_beside(kind):
    rng = np.random.default_rng(2)
    values = rng.normal(0, 40, 300).round().astype(kind)
    frame = pd.DataFrame({"x": values, "y": rng.normal(size=300)})
    tree = DecisionTreeRegressor(max_leaf_nodes=12, random_state=1)
    fitted = make_pipeline(StandardScaler(), tree).fit(frame, values * 2.0)
    signature = Signature((Column("x", kind), Column("y", "float64")))
    base = Covering(signature, {}, [], rng).rows(50)

    rows, tally = rows_on_thresholds(
        SklearnModel(fitted), signature, base, most=1_000, seed=1, budget_s=30
    )

    assert (tally.thresholds, tally.tried, tally.rows) == (11, 11, rows.num_rows)
    x = rows.column("x").cast(pa.float64()).to_numpy()
    scaled = fitted[0].transform(rows.to_pandas())[:, 0].astype(np.float32)
    for threshold in np.unique(tree.tree_.threshold[tree.tree_.feature == 0]):
        below, above = x[scaled <= threshold].max(), x[scaled > threshold].min()
        step = 1.0 if kind == "int64" else np.nextafter(np.array(below, kind), np.inf) - below
        assert above - below <= step


def test_a_model_without_thresholds_has_no_such_rows():
    signature = Signature((Column("x", "float64"),))
    model = SklearnModel(StandardScaler().fit([[1.0], [2.0]]))
    base = Covering(signature, {}, [], np.random.default_rng(1)).rows(10)

    rows, tally = rows_on_thresholds(model, signature, base, most=100, seed=1, budget_s=5)

    assert (rows.num_rows, tally.thresholds) == (0, 0)

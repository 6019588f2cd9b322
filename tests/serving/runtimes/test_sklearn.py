"""A model in the runtime answers bit for bit what the estimator answers in process."""

from __future__ import annotations

import io
import pickle
from functools import cache
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import skops.io
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.cluster import DBSCAN
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from registry.errors import CheckRefused, InvalidField
from registry.signature.facts import ModelFacts
from serving.runtimes import load_runtime
from serving.runtimes.base import Answer, answer_from_ipc, answer_to_ipc
from serving.runtimes.sklearn.model import SklearnModel
from tests.serving.runtimes.pipelines import CASES, Case

METHOD = {
    "prediction": "predict",
    "probabilities": "predict_proba",
    "transform": "transform",
}


@cache
def fitted(name: str) -> Any:
    """Fitted once for all tests of this file: scoring changes nothing in it."""
    return next(case for case in CASES if case.name == name).make()


@cache
def loaded(name: str) -> SklearnModel:
    return SklearnModel(fitted(name))


def dense(value: Any) -> np.ndarray:
    if sparse.issparse(value):
        return value.toarray()
    return value.to_numpy() if isinstance(value, pd.DataFrame) else np.asarray(value)


def expected_columns(case: Case, estimator: Any, kind: str) -> list[np.ndarray]:
    """The columns of the estimator's own answer, outputs one after the other."""
    if kind == "decision":
        name = "decision_function" if hasattr(estimator, "decision_function") else "score_samples"
    else:
        name = METHOD[kind]
        if not hasattr(estimator, name):
            name = "transform"
    answer = getattr(estimator, name)(case.x)
    parts = answer if isinstance(answer, list) else [answer]
    columns: list[np.ndarray] = []
    for part in parts:
        array = dense(part)
        columns.extend([array] if array.ndim == 1 else array.T)
    return columns


def answered_columns(answer: Answer, kind: str) -> list[list[Any]]:
    return [array.to_pylist() for block in answer.of(kind) for array in block.arrays]


def same(got: list[Any], expected: np.ndarray) -> bool:
    """Equal in value and in Python type; NaN equals NaN and null."""
    plain = [None if v is None or v != v else v for v in expected.tolist()]
    seen = [None if v is None or v != v else v for v in got]
    return seen == plain and [type(v) for v in seen] == [type(v) for v in plain]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_kind_of_estimator_answers_as_in_process(case: Case) -> None:
    # Loaded first, because that sets n_jobs to 1: a forest that adds up its trees in threads
    # differs from itself in the last bit from call to call.
    model = loaded(case.name)
    estimator = fitted(case.name)
    expected = {kind: expected_columns(case, estimator, kind) for kind in case.kinds}
    answer = answer_from_ipc(answer_to_ipc(model.score(case.batch, case.kinds, {})))
    for kind in case.kinds:
        got = answered_columns(answer, kind)
        assert len(got) == len(expected[kind])
        for mine, theirs in zip(got, expected[kind], strict=True):
            assert same(mine, theirs), (kind, mine[:3], theirs[:3])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_facts_name_the_form_and_survive_json(case: Case) -> None:
    facts = loaded(case.name).facts()
    assert facts.input_form == case.form
    assert ModelFacts.from_json(facts.to_json()) == facts


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_row_is_answered_alike_alone_and_among_others(case: Case) -> None:
    model = loaded(case.name)
    together = model.score(case.batch, case.kinds, {})
    alone = model.score(case.batch.slice(1, 1), case.kinds, {})
    for whole, single in zip(together.blocks, alone.blocks, strict=True):
        assert whole.labels == single.labels
        for many, one in zip(whole.arrays, single.arrays, strict=True):
            assert many.type == one.type
            if pa.types.is_floating(one.type):
                np.testing.assert_allclose(
                    many[1].as_py(), one[0].as_py(), rtol=case.rtol, atol=1e-12
                )
            else:
                assert many[1].as_py() == one[0].as_py()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_outputs_in_the_facts_are_those_that_are_answered(case: Case) -> None:
    model = loaded(case.name)
    facts = model.facts()
    answer = model.score(case.batch, ("prediction",), {})
    if facts.outputs:
        assert [b.output for b in answer.blocks] == [o.name for o in facts.outputs]
        types = [str(b.arrays[0].type).replace("double", "float64") for b in answer.blocks]
        assert [t.replace("bool", "boolean") for t in types] == [o.type for o in facts.outputs]
    else:
        names = tuple(b.output for b in answer.blocks)
        assert facts.transform_names in (None, names)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_no_rows_give_no_answers_of_the_same_shape(case: Case) -> None:
    model = loaded(case.name)
    empty = model.score(case.batch.slice(0, 0), case.kinds, {})
    full = model.score(case.batch, case.kinds, {})
    assert empty.n_rows == 0
    assert [(b.kind, b.output, b.labels) for b in empty.blocks] == [
        (b.kind, b.output, b.labels) for b in full.blocks
    ]


# --- how files are opened -----------------------------------------------------------------------


def skops_bytes(model: Any) -> bytes:
    return bytes(skops.io.dumps(model))


def pickle_bytes(model: Any) -> bytes:
    return pickle.dumps(model, protocol=5)


def joblib_bytes(model: Any, compress: Any = 0) -> bytes:
    file = io.BytesIO()
    joblib.dump(model, file, compress=compress)
    return file.getvalue()


FILES = {
    "skops": ("skops", skops_bytes),
    "pickle": ("pickle", pickle_bytes),
    "joblib": ("joblib", joblib_bytes),
    "joblib zlib": ("joblib", lambda m: joblib_bytes(m, ("zlib", 3))),
    "joblib gzip": ("joblib", lambda m: joblib_bytes(m, ("gzip", 3))),
    "joblib bz2": ("joblib", lambda m: joblib_bytes(m, ("bz2", 3))),
    "joblib xz": ("joblib", lambda m: joblib_bytes(m, ("xz", 3))),
    "joblib lzma": ("joblib", lambda m: joblib_bytes(m, ("lzma", 3))),
}


def opened(content: bytes, format: str) -> SklearnModel:
    return load_runtime("sklearn").load(io.BytesIO(content), format)  # type: ignore[return-value]


@pytest.mark.parametrize("way", FILES)
@pytest.mark.parametrize("name", ["mixed columns", "text pipeline", "pandas categories"])
def test_a_file_of_every_kind_answers_as_the_object_in_it(name: str, way: str) -> None:
    case = next(case for case in CASES if case.name == name)
    format, write = FILES[way]
    answer = opened(write(fitted(name)), format).score(case.batch, case.kinds, {})
    assert answer == loaded(name).score(case.batch, case.kinds, {})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("way", ["skops", "joblib"])
def test_every_estimator_comes_back_from_its_file(case: Case, way: str) -> None:
    format, write = FILES[way]
    model = opened(write(fitted(case.name)), format)
    assert model.score(case.batch, case.kinds, {}) == loaded(case.name).score(
        case.batch, case.kinds, {}
    )


def test_the_users_own_function_is_refused_with_its_name_and_a_remedy() -> None:
    model = FunctionTransformer(own_function).fit([[1.0]])
    for format, content in (("skops", skops_bytes(model)), ("pickle", pickle_bytes(model))):
        with pytest.raises(CheckRefused, match=r"own_function.*ONNX") as caught:
            opened(content, format)
        assert any("own_function" in name for name in caught.value.evidence["types"])


def own_function(x: Any) -> Any:
    return x


def pickled_global(module: str, name: str, argument: str = "x") -> bytes:
    """A pickle that calls ``module.name(argument)`` when it is loaded."""
    text = argument.encode()
    return (
        b"\x80\x02c"
        + f"{module}\n{name}\n".encode()
        + b"X"
        + len(text).to_bytes(4, "little")
        + text
        + b"\x85R."
    )


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("os", "system"),
        ("pathlib", "os.system"),
        ("numpy.testing._private.utils", "runstring"),
        ("numpy.core._ufunc_reconstruct", "x"),
        ("sklearn.utils._testing", "raises"),
        ("sklearn.datasets._base", "load_files"),
        ("pandas", "read_pickle"),
        ("pandas.io.pickle", "read_pickle"),
        ("joblib", "load"),
        ("scipy.io", "loadmat"),
        ("no.such.module", "thing"),
    ],
)
@pytest.mark.parametrize("format", ["pickle", "joblib"])
def test_a_pickle_may_not_name_what_is_no_part_of_a_model(
    module: str, name: str, format: str
) -> None:
    with pytest.raises(CheckRefused) as caught:
        opened(pickled_global(module, name), format)
    assert caught.value.reason == "pickle-untrusted-global"
    assert caught.value.evidence["types"] == [f"{module}.{name}"]


def test_a_global_inside_an_array_of_objects_is_held_to_the_same_rule() -> None:
    held = np.array([own_function], dtype=object)
    with pytest.raises(CheckRefused) as caught:
        opened(joblib_bytes({"model": held}), "joblib")
    assert caught.value.reason == "pickle-untrusted-global"


@pytest.mark.parametrize("format", ["skops", "joblib", "pickle"])
@pytest.mark.parametrize("content", [b"", b"\x80\x05", b"\x78\x9cbroken", b"PK\x03\x04broken"])
def test_a_damaged_file_is_refused_and_not_raised_upon(format: str, content: bytes) -> None:
    with pytest.raises(CheckRefused) as caught:
        opened(content, format)
    assert caught.value.reason == "load-failed"


@pytest.mark.parametrize("thing", [{"a": 1}, [1, 2], np.eye(2), DBSCAN().fit(np.eye(3))])
def test_what_cannot_score_new_rows_is_refused(thing: Any) -> None:
    with pytest.raises(CheckRefused) as caught:
        opened(joblib_bytes(thing), "joblib")
    assert caught.value.reason == "no-scoring-method"


# --- what the runtime finds out -----------------------------------------------------------------


def hints_of(model: Any) -> dict[str, Any]:
    return dict(SklearnModel(model).facts().columns)


def frame_with_missing() -> pd.DataFrame:
    return pd.DataFrame({"n": [1.0, np.nan, 3.0, 4.0], "c": ["a", "b", np.nan, "a"]})


@pytest.mark.parametrize(
    ("step", "column", "accepts"),
    [
        (make_pipeline(SimpleImputer(), LogisticRegression()), "n", True),
        (make_pipeline(StandardScaler(), LogisticRegression()), "n", False),
        (make_pipeline(StandardScaler(), SimpleImputer(), LogisticRegression()), "n", True),
        (HistGradientBoostingClassifier(), "n", True),
        (make_pipeline(StandardScaler(), HistGradientBoostingClassifier()), "n", True),
        (LogisticRegression(), "n", False),
        (make_pipeline(SimpleImputer(missing_values=-1), LogisticRegression()), "n", False),
        (make_pipeline(OneHotEncoder(), LogisticRegression()), "c", False),
        (
            make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()),
            "c",
            True,
        ),
    ],
)
def test_a_column_accepts_missing_values_where_the_whole_way_does(
    step: Any, column: str, accepts: bool
) -> None:
    whole = pd.DataFrame({"n": [1.0, 2.0, 3.0, 4.0], "c": ["a", "b", "c", "a"]})
    model = step.fit(whole[[column]], [0, 1, 0, 1])
    assert hints_of(model)[column].accepts_missing is accepts


def test_an_encoder_that_saw_a_missing_value_accepts_it() -> None:
    frame = frame_with_missing()[["c"]]
    hint = hints_of(make_pipeline(OneHotEncoder(), LogisticRegression()).fit(frame, [0, 1, 0, 1]))
    assert hint["c"].accepts_missing
    assert hint["c"].categories == ("a", "b")
    assert hint["c"].unknown_raises
    assert hint["c"].type == "string"


def test_numbers_only_is_said_where_every_column_may_be_read_as_a_number() -> None:
    frame = frame_with_missing()
    numeric = SklearnModel(HistGradientBoostingClassifier().fit(frame[["n"]], [0, 1, 0, 1]))
    assert numeric.facts().numeric_only
    mixed = make_column_transformer((StandardScaler(), ["n"]), (OneHotEncoder(), ["c"]))
    assert not SklearnModel(mixed.fit(frame)).facts().numeric_only
    dropping = make_column_transformer((StandardScaler(), ["n"]), remainder="drop")
    assert not SklearnModel(dropping.fit(frame)).facts().numeric_only


def test_pandas_categories_are_told_with_their_values() -> None:
    hints = loaded("pandas categories").facts().columns
    assert hints["city"].dtype_category
    assert hints["city"].categories == ("Lima", "Oslo", "Rome")
    assert not hints["age"].dtype_category


def test_n_jobs_is_one_everywhere_inside() -> None:
    inner = RandomForestClassifier(3, n_jobs=2)
    model = GridSearchCV(make_pipeline(StandardScaler(), inner), {}, cv=2, n_jobs=1)
    model.fit(np.arange(24.0).reshape(12, 2), [0, 1] * 6)
    SklearnModel(model)
    assert model.best_estimator_[-1].n_jobs == 1


def test_a_sparse_answer_that_is_too_wide_is_refused_at_load() -> None:
    wide = TfidfVectorizer().fit([f"word{i}" for i in range(4097)])
    with pytest.raises(CheckRefused, match="4097") as caught:
        SklearnModel(wide)
    assert caught.value.reason == "answer-too-wide"


def test_a_sparse_answer_without_names_that_is_too_wide_is_an_invalid_field() -> None:
    wide = HashingVectorizer(n_features=5000).fit(["a"])
    batch = pa.RecordBatch.from_pydict({"text": ["a b"]})
    with pytest.raises(InvalidField, match="5000"):
        SklearnModel(wide).score(batch, (), {})


def test_one_answer_for_many_rows_is_an_error_and_not_an_answer() -> None:
    model = SklearnModel(
        make_pipeline(Halving(), LogisticRegression()).fit(np.eye(4), [0, 1, 0, 1])
    )
    batch = pa.RecordBatch.from_pydict({f"x{i}": [1.0, 0.0] for i in range(4)})
    with pytest.raises(ValueError, match="1 answers for 2 rows"):
        model.score(batch, (), {})


class Halving(BaseEstimator):
    """Loses rows when it transforms."""

    def fit(self, x: Any, y: Any = None) -> Halving:
        return self

    def transform(self, x: Any) -> Any:
        return x[: max(len(x) // 2, 1)] if len(x) < 4 else x

    def __sklearn_is_fitted__(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("outputs", "params", "said", "pointer"),
    [
        (("prediction", "probabilities"), {}, "has no output “probabilities”", "/outputs/1"),
        (("predictions",), {}, "Did you mean “prediction”", "/outputs/0"),
        ((), {"a": 1}, "takes no params", "/params"),
    ],
)
def test_what_the_model_lacks_is_an_invalid_field(
    outputs: Any, params: Any, said: str, pointer: str
) -> None:
    with pytest.raises(InvalidField, match=said) as caught:
        loaded("linear").score(batch_of_case("linear"), outputs, params)
    assert caught.value.pointer == pointer


def batch_of_case(name: str) -> pa.RecordBatch:
    return next(case for case in CASES if case.name == name).batch


def test_a_column_that_the_model_knows_and_the_batch_lacks_is_named() -> None:
    batch = batch_of_case("linear")
    with pytest.raises(InvalidField, match="größe"):
        loaded("linear").score(batch.select([0, 1, 3]), (), {})


def test_columns_are_found_by_name_whatever_their_order() -> None:
    batch = batch_of_case("linear")
    turned = batch.select([3, 1, 0, 2])
    assert loaded("linear").score(turned, (), {}) == loaded("linear").score(batch, (), {})


@pytest.mark.parametrize(
    "wrap", [lambda pipeline: pipeline, FrozenEstimator], ids=["bare", "inner"]
)
@pytest.mark.parametrize("named", [True, False], ids=["frame", "matrix"])
def test_steps_that_write_into_their_input_spoil_no_other_answer(named: bool, wrap: Any) -> None:
    table = pd.DataFrame({f"x{i}": np.linspace(3, 9 + i, 30) ** (i + 1) for i in range(3)})
    x = table if named else table.to_numpy()
    pipeline = make_pipeline(StandardScaler(copy=False), LogisticRegression())
    model = wrap(pipeline.fit(x.copy(), table["x1"] > 30))
    batch = pa.RecordBatch.from_pandas(table, preserve_index=False)

    answer = SklearnModel(model).score(batch, ("prediction", "probabilities", "decision"), {})

    assert same(answered_columns(answer, "prediction")[0], model.predict(x.copy()))
    chances = model.predict_proba(x.copy())
    assert all(map(same, answered_columns(answer, "probabilities"), chances.T))
    assert same(answered_columns(answer, "decision")[0], model.decision_function(x.copy()))


def test_a_model_of_very_many_columns_is_refused_at_load() -> None:
    model = LogisticRegression().fit(sparse.csr_array((2, 20_001)), [0, 1])
    with pytest.raises(CheckRefused) as caught:
        SklearnModel(model)
    assert caught.value.reason == "too-many-columns"


def test_an_encoder_of_truth_values_wants_a_boolean_column() -> None:
    frame = pd.DataFrame({"member": [True, False] * 10, "city": ["Bonn", "Rome"] * 10})
    encoder = OneHotEncoder(handle_unknown="ignore")
    model = make_pipeline(encoder, LogisticRegression()).fit(frame, [1, 0] * 10)

    hints = SklearnModel(model).facts().columns

    assert (hints["member"].type, hints["city"].type) == ("boolean", "string")

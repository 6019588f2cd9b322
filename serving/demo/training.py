"""Plain: trains the demo's models. Imports scikit-learn, so only a process of its own calls it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

SEED = 7
EXAMPLE_ROWS = 40


@dataclass(frozen=True)
class Trained:
    """A fitted model as a data scientist would hand it in.

    ``artifact`` is a skops file, ``example`` Parquet, ``expected`` the trainer's own answers to
    the example rows in the shape of ``/predict``.
    """

    name: str
    description: str
    tags: dict[str, str]
    artifact: bytes
    example: bytes
    expected: bytes
    metrics: dict[str, float]


def trained_models() -> list[Trained]:
    """Penguins (texts, missing values), diabetes (a regression), wine (three classes, numbers)."""
    return [_train(name, make()) for name, make in DEMO.items()]


def fitted(name: str) -> tuple[Any, DataFrame]:
    """The demo's model of that name, fitted as there, and all its inputs."""
    parts = DEMO[name]()
    x_train, _, y_train, _ = _split(parts.x, parts.y)
    return parts.model.fit(x_train, y_train), parts.x


def penguins_csv() -> bytes:
    """All 344 penguins without their species: what the demo's batch job scores."""
    return bytes(_penguin_frame().drop(columns="species").to_csv(index=False), "utf-8")


@dataclass(frozen=True)
class _Parts:
    """A model that is not fitted yet, its data, and what to say of it."""

    model: Any
    x: DataFrame
    y: Any
    task: str
    description: str


def _penguins() -> _Parts:
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
    texts = ["island", "sex"]
    pipeline = make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
            (OneHotEncoder(handle_unknown="ignore"), texts),
        ),
        LogisticRegression(max_iter=1_000),
    )
    frame = _penguin_frame()
    return _Parts(
        pipeline,
        frame[texts + numbers],
        frame["species"].astype(object),
        "classification",
        "Tells the species of a penguin from its measurements.\n\n"
        "Trained on the **Palmer penguins** (Gorman, Williams and Fraser, 2014; CC0). Missing "
        "measurements are filled with the median, a missing sex is a category of its own.",
    )


def _diabetes() -> _Parts:
    from sklearn.datasets import load_diabetes
    from sklearn.ensemble import RandomForestRegressor

    frame = load_diabetes(as_frame=True, scaled=False).frame
    return _Parts(
        RandomForestRegressor(n_estimators=60, min_samples_leaf=3, random_state=SEED),
        frame.drop(columns="target"),
        frame["target"],
        "regression",
        "Predicts how far diabetes has progressed after a year, from ten figures of the patient.\n"
        "\nTrained on the data of Efron, Hastie, Johnstone and Tibshirani (2004).",
    )


def _wine() -> _Parts:
    from sklearn.datasets import load_wine
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    frame = load_wine(as_frame=True).frame
    return _Parts(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000)),
        frame.drop(columns="target"),
        frame["target"],
        "classification",
        "Tells which of three cultivars a wine was made from, by its chemical analysis.\n\n"
        "Trained on the wine recognition data of Forina and others (1991).",
    )


DEMO: dict[str, Callable[[], _Parts]] = {
    "penguins": _penguins,
    "diabetes": _diabetes,
    "wine": _wine,
}


def _penguin_frame() -> DataFrame:
    import palmerpenguins

    frame: DataFrame = palmerpenguins.load_penguins()
    return frame.drop(columns="year")


def _train(name: str, parts: _Parts) -> Trained:
    import skops.io

    x_train, x_test, y_train, y_test = _split(parts.x, parts.y)
    model = parts.model.fit(x_train, y_train)
    score_name = "accuracy" if hasattr(model, "predict_proba") else "r2"
    example = _example_rows(x_test)
    return Trained(
        name=name,
        description=parts.description,
        tags={"demo": "yes", "task": parts.task},
        artifact=skops.io.dumps(model),
        example=_parquet(example),
        expected=json.dumps(_answers(model, example)).encode(),
        metrics={score_name: round(float(model.score(x_test, y_test)), 4)},
    )


def _split(x: DataFrame, y: Any) -> Any:
    from sklearn.model_selection import train_test_split

    return train_test_split(x, y, test_size=0.25, random_state=SEED)


def _example_rows(frame: DataFrame) -> DataFrame:
    """Some rows, those with missing values first: the signature then knows of them."""
    order: Callable[[Any], Any] = (
        frame.isna().any(axis=1).sort_values(ascending=False, kind="stable").index
    )
    return frame.loc[order].head(EXAMPLE_ROWS).reset_index(drop=True)


def _parquet(frame: DataFrame) -> bytes:
    out = io.BytesIO()
    frame.to_parquet(out, index=False)
    return out.getvalue()


def _answers(model: Any, frame: DataFrame) -> dict[str, Any]:
    answers: dict[str, Any] = {"predictions": model.predict(frame).tolist()}
    if hasattr(model, "predict_proba"):
        labels = [str(label) for label in model.classes_.tolist()]
        rows = model.predict_proba(frame).tolist()
        answers["probabilities"] = [dict(zip(labels, row, strict=True)) for row in rows]
    return answers

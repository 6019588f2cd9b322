"""The pipelines that every way of scoring is held against: built fresh, small, seeded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

SEED = 20260101
ROWS = 60


@dataclass(frozen=True)
class Case:
    """A fitted estimator with the frame that it is scored on."""

    estimator: Any
    frame: pd.DataFrame
    takes_series: bool = False
    naive_times: tuple[str, ...] = ()

    @property
    def x(self) -> Any:
        """What the estimator itself takes."""
        if self.takes_series:
            return self.frame.iloc[:, 0]
        naive = {name: self.frame[name].dt.tz_localize(None) for name in self.naive_times}
        return self.frame.assign(**naive)


def mixed_frame() -> pd.DataFrame:
    """Numbers and texts with missing values, booleans, and names that need quoting."""
    rng = np.random.default_rng(SEED)
    frame = pd.DataFrame(
        {
            "sepal length (cm)": rng.normal(5.8, 0.8, ROWS).round(3),
            "price [EUR]": rng.lognormal(3, 1, ROWS),
            "visits": rng.integers(0, 50, ROWS),
            "city": rng.choice(["Rome", "Oslo", "São Paulo", ""], ROWS),
            "plan": rng.choice(["free", "pro"], ROWS),
            "is member": rng.random(ROWS) < 0.5,
        }
    )
    frame.loc[::7, "price [EUR]"] = np.nan
    frame.loc[::5, "city"] = None
    return frame


def numbers_frame(columns: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(SEED + 1)
    values = rng.normal(size=(ROWS, columns))
    return pd.DataFrame(values, columns=[f"f{i}" for i in range(columns)])


def labels(kind: str) -> np.ndarray:
    rng = np.random.default_rng(SEED + 2)
    numbers = rng.integers(0, 3, ROWS)
    return {
        "int": numbers,
        "str": np.array(["low", "mid", "high"], dtype=object)[numbers],
        "bool": numbers > 0,
    }[kind]


def mixed_preprocessing() -> Any:
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = ["sepal length (cm)", "price [EUR]", "visits"]
    return make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore"), ["city", "plan"]),
        ("passthrough", ["is member"]),
    )


def on_mixed(last: Any, target: np.ndarray) -> Case:
    from sklearn.pipeline import make_pipeline

    frame = mixed_frame()
    return Case(make_pipeline(mixed_preprocessing(), last).fit(frame, target), frame)


def on_numbers(estimator: Any, target: Any = None) -> Case:
    frame = numbers_frame()
    return Case(estimator.fit(frame, target), frame)


def regression_target() -> np.ndarray:
    return np.random.default_rng(SEED + 3).normal(size=ROWS) * 1e3


def logistic_strings() -> Case:
    from sklearn.linear_model import LogisticRegression

    return on_mixed(LogisticRegression(max_iter=500), labels("str"))


def forest_integers() -> Case:
    from sklearn.ensemble import RandomForestClassifier

    return on_mixed(RandomForestClassifier(20, random_state=1), labels("int"))


def boosting_booleans() -> Case:
    from sklearn.ensemble import GradientBoostingClassifier

    return on_mixed(GradientBoostingClassifier(n_estimators=10, random_state=1), labels("bool"))


def hist_boosting_missing() -> Case:
    from sklearn.ensemble import HistGradientBoostingClassifier

    frame = mixed_frame()[["sepal length (cm)", "price [EUR]", "visits"]]
    return Case(HistGradientBoostingClassifier(max_iter=10).fit(frame, labels("str")), frame)


def hist_boosting_categories() -> Case:
    from sklearn.ensemble import HistGradientBoostingRegressor

    frame = mixed_frame()[["plan", "price [EUR]", "is member"]].astype({"plan": "category"})
    estimator = HistGradientBoostingRegressor(max_iter=10, categorical_features="from_dtype")
    return Case(estimator.fit(frame, regression_target()), frame)


def linear_svc_decision() -> Case:
    from sklearn.svm import LinearSVC

    return on_numbers(LinearSVC(random_state=1), labels("int"))


def svc_binary_decision() -> Case:
    from sklearn.svm import SVC

    return on_numbers(SVC(), labels("bool"))


def neighbours() -> Case:
    from sklearn.neighbors import KNeighborsClassifier

    return on_numbers(KNeighborsClassifier(3), labels("str"))


def naive_bayes() -> Case:
    from sklearn.naive_bayes import GaussianNB

    return on_numbers(GaussianNB(), labels("int"))


def calibrated() -> Case:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.linear_model import RidgeClassifier

    return on_numbers(CalibratedClassifierCV(RidgeClassifier(), cv=3), labels("str"))


def voting() -> Case:
    from sklearn.ensemble import VotingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.tree import DecisionTreeClassifier

    members = [
        ("lr", LogisticRegression()),
        ("tree", DecisionTreeClassifier(max_depth=3, random_state=1)),
    ]
    return on_numbers(VotingClassifier(members, voting="soft"), labels("str"))


def stacking_regression() -> Case:
    from sklearn.ensemble import StackingRegressor
    from sklearn.linear_model import Ridge
    from sklearn.tree import DecisionTreeRegressor

    members = [("ridge", Ridge()), ("tree", DecisionTreeRegressor(max_depth=3, random_state=1))]
    return on_numbers(StackingRegressor(members), regression_target())


def forest_regression() -> Case:
    from sklearn.ensemble import RandomForestRegressor

    return on_mixed(RandomForestRegressor(20, random_state=1), regression_target())


def several_numbers() -> Case:
    from sklearn.linear_model import LinearRegression

    target = np.column_stack([regression_target(), regression_target() ** 2])
    return on_numbers(LinearRegression(), target)


def several_classes() -> Case:
    from sklearn.multioutput import MultiOutputClassifier
    from sklearn.tree import DecisionTreeClassifier

    target = np.column_stack([labels("str"), labels("str")[::-1]])
    estimator = MultiOutputClassifier(DecisionTreeClassifier(max_depth=3, random_state=1))
    return on_numbers(estimator, target)


def several_labels() -> Case:
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    target = (np.random.default_rng(SEED + 4).random((ROWS, 3)) < 0.4).astype(int)
    return on_numbers(OneVsRestClassifier(LogisticRegression()), target)


def clusters() -> Case:
    from sklearn.cluster import KMeans

    return on_numbers(KMeans(4, n_init=2, random_state=1))


def outliers() -> Case:
    from sklearn.ensemble import IsolationForest

    return on_numbers(IsolationForest(n_estimators=20, random_state=1))


def components() -> Case:
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return on_numbers(make_pipeline(StandardScaler(), PCA(2, random_state=1)))


def one_hot_sparse() -> Case:
    from sklearn.preprocessing import OneHotEncoder

    frame = mixed_frame()[["plan", "is member"]]
    return Case(OneHotEncoder(handle_unknown="ignore").fit(frame), frame)


def texts() -> Case:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = np.array(["good", "bad", "slow", "fast", "kind", "naïve", "“quoted”", "a,b"])
    rng = np.random.default_rng(SEED + 5)
    lines = [" ".join(rng.choice(words, 5)) for _ in range(ROWS)]
    frame = pd.DataFrame({"review": lines})
    estimator = make_pipeline(TfidfVectorizer(), LogisticRegression())
    return Case(estimator.fit(frame["review"], labels("str")), frame, takes_series=True)


def text_and_numbers() -> Case:
    from sklearn.compose import make_column_transformer
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    frame = texts().frame.assign(stars=np.arange(ROWS) % 5)
    columns = make_column_transformer((CountVectorizer(), "review"), ("passthrough", ["stars"]))
    estimator = make_pipeline(columns, LogisticRegression(max_iter=500))
    return Case(estimator.fit(frame, labels("bool")), frame)


def moments() -> Case:
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder
    from sklearn.tree import DecisionTreeClassifier

    days = pd.date_range("2026-01-01", periods=4, tz="UTC")
    picked = np.random.default_rng(SEED + 6).integers(0, 4, ROWS)
    frame = pd.DataFrame({"day": days[picked], "n": np.arange(ROWS)})
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    estimator = make_pipeline(
        make_column_transformer((encoder, ["day"]), ("passthrough", ["n"])),
        DecisionTreeClassifier(max_depth=4, random_state=1),
    )
    case = Case(estimator, frame, naive_times=("day",))
    estimator.fit(case.x, labels("str"))
    return case


CASES: dict[str, Callable[[], Case]] = {
    make.__name__: make
    for make in (
        logistic_strings,
        forest_integers,
        boosting_booleans,
        hist_boosting_missing,
        hist_boosting_categories,
        linear_svc_decision,
        svc_binary_decision,
        neighbours,
        naive_bayes,
        calibrated,
        voting,
        stacking_regression,
        forest_regression,
        several_numbers,
        several_classes,
        several_labels,
        clusters,
        outliers,
        components,
        one_hot_sparse,
        texts,
        text_and_numbers,
        moments,
    )
}

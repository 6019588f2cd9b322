"""Which function converts which estimator: the part of ``table`` for what predicts."""

from __future__ import annotations

# Take one matrix of numbers.
ESTIMATORS: dict[str, str] = {
    f"sklearn.{module}.{name}": where
    for where, module, names in (
        (
            "trees:convert",
            "tree",
            "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor",
        ),
        (
            "trees:forest",
            "ensemble",
            "RandomForestClassifier RandomForestRegressor ExtraTreesClassifier ExtraTreesRegressor",
        ),
        (
            "gradient_boosting:convert",
            "ensemble",
            "GradientBoostingClassifier GradientBoostingRegressor",
        ),
    )
    for name in names.split()
}

# Look at columns themselves, or hand what they get to others.
WHOLES: dict[str, str] = {
    f"sklearn.{module}.{name}": where
    for where, module, names in (
        (
            "hist_boosting:convert",
            "ensemble.gradient_boosting",
            "HistGradientBoostingClassifier HistGradientBoostingRegressor",
        ),
    )
    for name in names.split()
}

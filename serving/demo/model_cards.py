"""Plain: the model cards of the demo. They show what belongs into each field."""

from __future__ import annotations

MODEL_CARDS: dict[str, dict[str, str]] = {
    "penguins": {
        "intended_use": "Shows how a model is registered and called. Nobody decides anything with "
        "its answers.",
        "data": "344 penguins of three species, measured on three islands of the **Palmer "
        "archipelago** from 2007 to 2009 (Gorman, Williams and Fraser, 2014; CC0). A quarter was "
        "kept for the test; no row was left out.",
        "metrics": "Accuracy on the quarter that it had not seen: beside the version.",
        "limits": "Knows three species and three islands. On any other it answers all the same, "
        "with one of the three.",
        "owner": "Whoever runs this service; the demo belongs to nobody else.",
        "risk_rating": "low",
    },
    "diabetes": {
        "intended_use": "Shows a regression. **Not for patients**: no treatment may rest on it.",
        "data": "442 patients with ten figures each, and a measure of the progress of their "
        "disease a year later (Efron, Hastie, Johnstone and Tibshirani, 2004). A quarter was kept "
        "for the test.",
        "metrics": "R2 on the quarter that it had not seen: beside the version.",
        "limits": "One study, one clinic, no date. `sex` is 1 or 2 as the study has it, and nobody "
        "wrote down which is which.",
        "owner": "Whoever runs this service; the demo belongs to nobody else.",
        "risk_rating": "high",
    },
    "wine": {
        "intended_use": "Shows a model with three classes. Not for telling a real wine from a "
        "false one.",
        "data": "178 wines from three cultivars of one region of Italy, with thirteen chemical "
        "figures each (Forina and others, 1991). A quarter was kept for the test.",
        "metrics": "Accuracy on the quarter that it had not seen: beside the version. So few rows "
        "that one wine more or less is two percent.",
        "limits": "Other regions, vintages and cultivars were never tried.",
        "owner": "Whoever runs this service; the demo belongs to nobody else.",
        "risk_rating": "low",
    },
}

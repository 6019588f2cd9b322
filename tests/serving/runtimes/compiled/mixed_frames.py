"""Frames of all types that converters are tried on, with what is hard about them."""

from __future__ import annotations

import numpy as np
import pandas as pd

ROWS = 240
WORDS = np.array(["red", "green", "blue", "a b", "Łódź", ""], object)
NUMBERS = ["a", "b", "c", "d", "e"]
TEXTS = ["s", "t"]
OTHERS = ["i", "f", "flag"]


def numbers(seed: int = 0, gaps: float = 0.0) -> pd.DataFrame:
    """(240, 5) doubles of different sizes, a share of them missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(ROWS, 5)) * [1, 10, 100, 0.1, 5] + [0, 3, -7, 1, 0]
    x[rng.random(x.shape) < gaps] = np.nan
    return pd.DataFrame(x, columns=NUMBERS)


def others(seed: int = 0, gaps: float = 0.2) -> pd.DataFrame:
    """Two columns of texts, whole numbers, halves, truth values; some of them missing."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "s": pd.Series(WORDS[rng.integers(0, 6, ROWS)], dtype="str"),
            "t": pd.Series(WORDS[rng.integers(0, 3, ROWS)], dtype="str"),
            "i": rng.integers(0, 6, ROWS),
            "f": rng.integers(0, 4, ROWS) + 0.5,
            "flag": rng.random(ROWS) < 0.5,
        }
    )
    for name in ("s", "f"):
        frame.loc[rng.random(ROWS) < gaps, name] = None
    return frame


def mixed(seed: int = 0, gaps: float = 0.2) -> pd.DataFrame:
    """Both side by side."""
    return pd.concat([numbers(seed, gaps), others(seed, gaps)], axis=1)


def strange(frame: pd.DataFrame, seed: int = 1) -> pd.DataFrame:
    """Other rows of the same columns: unseen texts and numbers, infinity, numbers beyond bounds."""
    rng = np.random.default_rng(seed)
    found = frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)
    for name in found.columns:
        at = rng.random(len(found)) < 0.1
        if pd.api.types.is_float_dtype(found[name].dtype):
            found.loc[at, name] = rng.choice([np.inf, -np.inf, 1e300, 5e-324, -0.0, 99.0], at.sum())
        elif pd.api.types.is_integer_dtype(found[name].dtype):
            found.loc[at, name] = rng.choice([-1, 77, 2**40], at.sum())
        elif not pd.api.types.is_bool_dtype(found[name].dtype):
            found.loc[at, name] = rng.choice(["unheard of", "RED", " "], at.sum())
    return found


def labels(frame: pd.DataFrame) -> np.ndarray:
    """(240,) of 0 and 1."""
    rng = np.random.default_rng(len(frame.columns))
    return (frame.isna().sum(axis=1).to_numpy() + rng.normal(size=len(frame)) > 0.5).astype(int)

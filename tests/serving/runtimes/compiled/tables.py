"""Small drawn tables that converters are tried on."""

from __future__ import annotations

import numpy as np

ROWS = 240


def numbers(width: int = 5, seed: int = 0) -> np.ndarray:
    """(240, width) doubles, some columns coarse so that rows lie on thresholds."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(ROWS, width)) * draw.uniform(0.1, 30, width)
    x[:, 1::2] = np.round(x[:, 1::2], 1)
    return x


def gaps(width: int = 5, seed: int = 0) -> np.ndarray:
    """The same with a tenth of the cells missing."""
    x = numbers(width, seed)
    x[np.random.default_rng(seed + 1).random(x.shape) < 0.1] = np.nan
    return x


def target(x: np.ndarray, seed: int = 0) -> np.ndarray:
    """(240,) doubles that depend on the rows."""
    draw = np.random.default_rng(seed)
    z = np.nan_to_num(x)
    z = z / z.std(axis=0)
    return z[:, 0] * z[:, 1] + np.sin(z[:, 2]) * 2 + draw.normal(0, 0.3, len(x))


def targets(x: np.ndarray, count: int = 3) -> np.ndarray:
    """(240, count) doubles."""
    return np.stack([target(x, seed) * (seed + 1) for seed in range(count)], axis=1)


def labels(x: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """(240,) texts for three classes, whole numbers for others."""
    y = target(x, seed)
    codes = np.searchsorted(np.quantile(y, np.linspace(0, 1, count + 1)[1:-1]), y)
    return np.array(["low", "middle", "high"])[codes] if count == 3 else codes * 2 - 1


def indicators(x: np.ndarray, count: int = 3) -> np.ndarray:
    """(240, count) of 0 and 1: several labels a row."""
    return np.stack([target(x, seed) > 0.1 * seed for seed in range(count)], axis=1).astype(int)

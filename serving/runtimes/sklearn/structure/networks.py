"""Multi-layer perceptrons: each layer takes what the one before it gives."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neural_network._base import ACTIVATIONS

from serving.runtimes.sklearn.structure.findings import array_of, refuse, require
from serving.runtimes.sklearn.structure.walk import Place

_KIND = "network"


def check_network(model: Any, place: Place) -> None:
    """Weights and biases along the layers, from the columns to the outputs."""
    held = vars(model)
    if "coefs_" not in held:
        return
    weights, biases = held["coefs_"], held.get("intercepts_")
    at = place.attribute("coefs_")
    fits = isinstance(weights, list) and isinstance(biases, list) and len(weights) == len(biases)
    require(fits and weights, _KIND, at, "not as many weights as biases")
    width = held.get("n_features_in_")
    for number, (layer, bias) in enumerate(zip(weights, biases or (), strict=True)):
        found = layer if isinstance(layer, np.ndarray) else np.empty(0, dtype=object)
        require(found.dtype.kind == "f", _KIND, at.item(number), "no array of decimals")
        array_of(layer, _KIND, at.item(number), found.dtype, (width, None))
        width = int(found.shape[-1])
        here = place.attribute("intercepts_").item(number)
        array_of(bias, _KIND, here, found.dtype, (width,))
        if not (np.isfinite(found).all() and np.isfinite(bias).all()):
            refuse("not-finite", at.item(number), "a weight is no finite number")
    outputs = held.get("n_outputs_", width)
    require(outputs == width, _KIND, place.attribute("n_outputs_"), f"{outputs!r:.40}, not {width}")
    layers = held.get("n_layers_", len(weights) + 1)
    fits = layers == len(weights) + 1
    require(fits, _KIND, place.attribute("n_layers_"), f"{layers!r:.40}, not {len(weights) + 1}")
    for name in ("activation", "out_activation_"):
        fits = held.get(name) in ACTIVATIONS
        require(fits, _KIND, place.attribute(name), f"{held.get(name)!r:.40} is no activation")

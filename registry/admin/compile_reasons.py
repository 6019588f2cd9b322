"""Why a version has no compiled graph, by the reason of its check `compile`: words and remedies.

In each of these cases the original serves, with the same answers, only slower.
"""

from __future__ import annotations

_SERVES = "The original serves."
_OTHER_STEP = "The original serves; another step or setting may compile, see docs/compiled.md."

# What stopped the compile or the comparison.
_STOPPED: dict[str, str] = {
    "compile-died": "The process ended while the model was compiled.",
    "compile-failed": "The converter does not know something in the model.",
    "compile-off": "This server compiles nothing (COMPILE_ROWS=0).",
    "compile-out-of-memory": "Compiling needs more memory than a model may have.",
    "compile-too-slow": "The model is too slow to be compared within two minutes.",
    "compiled-differs": (
        "The graph answers some rows otherwise. The evidence has the first difference; please "
        "report the kind of model."
    ),
    "graph-ended-worker": "The process that opened the graph ended. It is not opened again.",
    "graph-fails": "The graph gives no answer.",
    "graph-inputs": "The graph has other inputs than the signature.",
    "graph-layout": "The graph does not say properly what its outputs are.",
    "graph-load": "onnxruntime does not take the graph.",
    "graph-malformed": "The graph is not as the converters write it.",
    "graph-numbers": "A number in the graph leads astray.",
    "graph-operator": "The graph has an operator that no converter writes.",
    "graph-too-large": (
        "The graph is larger than 256 MiB, or would take more memory than ENGINE_MEMORY_BYTES, "
        "seconds to open, or too many steps for a row. Fit fewer or smaller trees, or raise "
        "ENGINE_MEMORY_BYTES and run manage.py compile --all."
    ),
    "graph-trees": "The trees in the graph are no trees.",
    "host-away": "The model host was away. It is tried again.",
    "not-compared-in-time": "Too few rows could be compared in time. It is tried again.",
    "storage-full": "There was no room for the graph. It is tried again.",
}

# What the converters have no exact graph for.
_NO_GRAPH: dict[str, str] = {
    "activation": "An activation of the network has no converter.",
    "answer-type": "An answer is of a type that no graph gives.",
    "averaged-trees": "Random forests of LightGBM have no converter.",
    "base-score": "The booster answers otherwise than the sum of its trees.",
    "binarized-booleans": "Truth values are binarized.",
    "booster": "The kind of booster has no converter.",
    "boosting-start": "The boosting starts from another model's answers.",
    "calibrator": "The calibration has a curve without a converter.",
    "chain-method": "The chain hands on what no graph does.",
    "encoder-dtype": "An encoder answers in an unusual type.",
    "float32": "A curve was fitted in single precision.",
    "float32-columns": "A step computes in single precision. Declare the columns float64.",
    "free-shape": "A dimension of a tensor is free.",
    "function-of-integers": "A function meets numbers other than float64.",
    "indicator-of-objects": "Missing values are marked among columns of objects.",
    "kernel": "The kernel is a function of its own.",
    "large-integers": "Categories are integers beyond 2**53.",
    "leaf-vectors": "The leaves hold several outputs.",
    "linear-leaves": "The leaves hold linear models.",
    "link": "The link function has no converter.",
    "low-splines": "Splines of this degree have no converter.",
    "member-answer": "A member of the model answers less than the whole asks.",
    "member-labels": "A member of the model knows other classes.",
    "member-outputs": "A member of the model has several outputs.",
    "missing-values": "Missing is told by a text, a truth value or None.",
    "mixed-cells": "One column mixes texts and numbers.",
    "no-categories": "A column has no category.",
    "no-centres": "The clustering found no centre.",
    "no-columns": "A step takes no column at all.",
    "no-converter": "There is no converter for a step of the model.",
    "no-transform": "The solver of a step transforms nothing.",
    "no-trial-answer": "The model answers no row that could be guessed.",
    "objective": "The objective has no converter.",
    "one-class": "The model knows a single class.",
    "other-blocks": "The graph would have other outputs than the model.",
    "other-categories": "Categories are of another type than their column.",
    "own-function": "Columns are pooled by an unusual function.",
    "pairwise": "The members take kernels that were computed before.",
    "periodic-splines": "Periodic splines have no converter.",
    "platt": "Probabilities of such kernel machines come from an iteration.",
    "random": "The model draws its answers.",
    "records": "The model takes dicts.",
    "selection-of-objects": "A selection is made among columns of objects.",
    "series": "The model takes raw texts.",
    "sparse-labels": "The model answers sparse labels.",
    "stacked-outputs": "The stack has several outputs.",
    "target": "The transformer of the target has no converter.",
    "temperature": "The calibration looks at all rows at once.",
    "tensor-column": "A tensor stands among other columns.",
    "tensor-type": "Only tensors of float64 have a graph.",
    "text-as-number": "A column of texts is read as numbers.",
    "times": "A column holds times.",
    "too-wide": "Too many products of columns are made.",
    "uint64": "A column is uint64.",
    "weighted-columns": "Only columns of float64 are weighted.",
    "zero-as-missing": "The model takes 0 for a missing value.",
}

COMPILE_REASONS: dict[str, str] = {
    **{reason: f"{said} {_SERVES}" for reason, said in _STOPPED.items()},
    **{reason: f"{said} {_OTHER_STEP}" for reason, said in _NO_GRAPH.items()},
}

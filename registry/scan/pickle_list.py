"""Plain: which globals a pickle may name, and what each of them may be used for.

``pickle_globals.json`` is made by ``make_pickle_globals`` and reviewed as code is. Kinds:

- ``estimator``: a class made without arguments that then gets its state; may be the file's root.
- ``object``: the same, and never the root. ``mapping``: a class of dicts, made without arguments.
- ``record``: a named tuple, made from its values.
- ``numbers``: called with plain numbers, or with nothing.
- ``call``: called with arguments of one exact pattern, which the gate has under its name.
- ``argument``: a class that only such a call is given.
- ``ours``: as ``call`` and ``argument``, but what opens the file puts its own code in the place.
- ``stand-in``: the same for a class made without arguments: an inert object keeps its state.
- ``value``: a function or type that a model may hold; nothing in the file calls it.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

GLOBALS_LIST = "pickle_globals.json"
# What is called on an estimator. An attribute of that name would hide the method.
_METHODS = """
    apply bic decision_function decision_path densify fit fit_predict fit_transform
    get_feature_names_out get_metadata_routing get_params get_support inverse_transform
    kneighbors mahalanobis partial_fit predict predict_joint_log_proba predict_log_proba
    predict_proba sample score score_samples set_fit_request set_output set_params
    set_predict_request set_score_request set_transform_request sparsify staged_decision_function
    staged_predict staged_predict_proba transform
"""
METHODS = frozenset(_METHODS.split())
# How protocol 2 spells names of Python 3. Python's unpickler translates them back.
_OF_PROTOCOL_2 = {
    ("__builtin__", "xrange"): ("builtins", "range"),
    ("__builtin__", "unicode"): ("builtins", "str"),
    ("__builtin__", "long"): ("builtins", "int"),
}
# Modules as earlier releases call them: up to scikit-learn 1.7 the compiled losses are at the top.
_MODULES_BEFORE = {"_loss": "sklearn._loss._loss"}


@cache
def globals_listed() -> dict[str, str]:
    """Full name to kind."""
    listed = json.loads(resources.files("registry.scan").joinpath(GLOBALS_LIST).read_text())
    names: dict[str, str] = listed["globals"]
    return names


def kind_of(module: str, name: str) -> str | None:
    """What the global may be used for, None for one that is not listed.

    Dotted names are never listed: a name after a dot would reach anything.
    """
    return None if "." in name else globals_listed().get(f"{module}.{name}")


def spelled_today(module: str, name: str, protocol: int) -> tuple[str, str]:
    """The global that a pickle of ``protocol`` means by these two texts."""
    module = _MODULES_BEFORE.get(module, module)
    if protocol >= 3:
        return module, name
    module, name = _OF_PROTOCOL_2.get((module, name), (module, name))
    return ("builtins" if module == "__builtin__" else module), name


# Texts that patterns ask for. They are known however many other texts come before them.
_WORDS = """
    subclass shape order dtype allow_mmap numpy_array_alignment_bytes C F < > | = latin1 b
    b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 f16 O8 V64 MT19937 PCG64 PCG64DXSM Philox SFC64
    bit_generator nodes values max_depth node_count left_child right_child feature threshold
    impurity n_node_samples weighted_n_node_samples missing_go_to_left value count feature_idx
    num_threshold left right gain depth is_leaf bin_threshold is_categorical bitset_idx
    idx_start idx_end radius left_node right_node lambda_val child_size cluster_size
    current_node next_node distance parent child _sklearn_version
    data name start stop step _pa_array _dtype _cache _readonly string large_string python pyarrow
    _entropy _parse_arg_template
"""


@cache
def vocabulary() -> dict[bytes, str]:
    """Every module and name on the list and the words of patterns, as a pickle writes them."""
    texts = {part for full in globals_listed() for part in full.rpartition(".")[::2]}
    texts |= {*_WORDS.split(), *METHODS}
    return {text.encode(): text for text in texts}

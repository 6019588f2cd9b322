"""Plain: which state an object of a pickle may get, by the kind of the object.

``built`` changes the object to one that has its state; it raises Refused where the state is not of
the pattern. Only objects made in the same stream come here, and each of them once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from registry.scan.finding import Refused, shown
from registry.scan.pickle_arrays import array_from_state, is_dtype_state, masked_from_state
from registry.scan.pickle_calls import VALUE_KINDS
from registry.scan.pickle_list import METHODS
from registry.scan.pickle_tables import stand_in_state, strings_state
from registry.scan.pickle_values import (
    HIDDEN,
    TEXT,
    Array,
    Box,
    Made,
    Ref,
    is_int,
    is_made,
    words,
)

_BALL_ARRAYS, _BALL_NUMBERS = 4, 7


def built(made: Made, state: Any) -> None:
    """Give ``made`` its state; raises Refused ``pickle-state``."""
    if made.is_built:
        raise Refused("pickle-state", f"A {made.name} gets a second state")
    check = _STATES.get(made.kind)
    if check is None or not check(made, state):
        raise Refused("pickle-state", f"A {made.name} does not get {words(state)} like this")
    made.is_built = True


def plain_dict(state: Any) -> bool:
    """Whether this is a dict that may be a state; raises Refused with what speaks against it."""
    if type(state) is not Box or state.kind != "dict" or state.name:
        return False
    if state.fault:
        raise Refused("pickle-state", f"A state {state.fault}")
    return True


def _attributes(made: Made, state: Any) -> bool:
    if not plain_dict(state):
        return False
    items = state.items or {}
    for name in METHODS.intersection(items):
        # Objects that are no estimators have numbers and texts under some of these names.
        is_callable = type(items[name]) is Ref or is_made(items[name], "partial")
        if made.kind == "object" and not is_callable:
            continue
        found = f"A {made.name} has an attribute {shown(name)} in the place of its method"
        raise Refused("pickle-state", found)
    return True


def _mapping(made: Made, state: Any) -> bool:
    return plain_dict(state)


def _dtype(made: Made, state: Any) -> bool:
    return is_dtype_state(made.fact, state)


def _array(made: Made, state: Any) -> bool:
    made.fact = array_from_state(state)
    return made.fact is not None


def _masked(made: Made, state: Any) -> bool:
    made.fact = masked_from_state(state)
    return made.fact is not None


def _bits(made: Made, state: Any) -> bool:
    """The numbers of a bit generator, and since numpy 1.25 the seeds that it came from."""
    if type(state) is tuple:
        seeded = state[1:] == (None,) or (len(state) == 2 and is_made(state[1], "cython"))
        return len(state) == 2 and seeded and _numbers_of(made, state[0])
    return _numbers_of(made, state)


def _numbers_of(made: Made, state: Any) -> bool:
    if not plain_dict(state):
        return False
    own = made.name.rpartition(".")[2]
    return bool((state.items or {}).get("bit_generator") == own)


def _seeds(made: Made, state: Any) -> bool:
    """``SeedSequence``: entropy, children, pool, size of the pool, key."""
    if not made.name.endswith("SeedSequence") or type(state) is not tuple or len(state) != 5:
        return False
    entropy, children, pool, pool_size, key = state
    if not (is_int(children) or is_made(children, "scalar")):
        return False
    # numpy draws a few words of 32 bits: four, where nobody chose otherwise.
    fact = pool.fact if is_made(pool, "array") else None
    if not isinstance(fact, Array) or fact.code != "u4" or not is_int(pool_size):
        return False
    plain = type(key) is tuple and all(is_int(part) for part in key)
    known = entropy is None or is_int(entropy) or is_made(entropy, "scalar")
    return plain and known and fact.shape == (pool_size,)


def _random(made: Made, state: Any) -> bool:
    return plain_dict(state)


def _tree(made: Made, state: Any) -> bool:
    """Arrays of nodes and values of one length; what is in them is looked at after the load."""
    if not plain_dict(state) or state.items is None:
        return False
    items = state.items
    if not {"max_depth", "node_count", "nodes", "values"} >= set(items) or len(items) != 4:
        return False
    arrays = [items[name].fact for name in ("nodes", "values") if is_made(items[name], "array")]
    if len(arrays) != 2 or not (is_int(items["max_depth"]) and is_int(items["node_count"])):
        return False
    nodes, values = arrays
    fits = len(nodes.shape) == 1 and nodes.code[0] == "V" and len(values.shape) == 3
    return bool(fits and nodes.shape[0] == values.shape[0] == items["node_count"])


def _balls(made: Made, state: Any) -> bool:
    """KD and ball trees: four arrays, seven numbers, a metric, weights or None."""
    if type(state) is not tuple or len(state) != _BALL_ARRAYS + _BALL_NUMBERS + 2:
        return False
    arrays, numbers = state[:_BALL_ARRAYS], state[_BALL_ARRAYS:-2]
    if not all(is_made(array, "array") for array in arrays):
        return False
    weights = state[-1] is None or is_made(state[-1], "array")
    plain = all(type(number) in (int, bool) for number in numbers)
    return plain and is_made(state[-2], "metric") and weights


def _metric(made: Made, state: Any) -> bool:
    """A power and two arrays. A metric that calls a function has more, and is not listed."""
    if type(state) is not tuple or len(state) != 3 or type(state[0]) not in (int, float):
        return False
    return all(is_made(array, "array") for array in state[1:])


def _partial(made: Made, state: Any) -> bool:
    """The function that it was made with, arguments, named arguments, no attributes."""
    if type(state) is not tuple or len(state) != 4 or state[0] is not made.fact:
        return False
    is_plain = type(state[1]) is tuple and type(made.fact) is Ref and made.fact.kind in VALUE_KINDS
    return is_plain and plain_dict(state[2]) and state[3] is None


def check_name(made: Made, key: Any) -> None:
    """The keys of a ``Bunch`` are its attributes: ``__array_interface__`` would be obeyed."""
    if type(key) is not str and key is not TEXT:
        raise Refused("pickle-state", f"A {made.name} has a key that is {words(key)}")
    if key in METHODS or (type(key) is str and key.startswith("_")):
        raise Refused("pickle-state", f"A {made.name} has the key {shown(key)} of a method")


def key_fault(key: Any) -> str:
    """Why a dict with this key cannot be the state of an object; empty where it can."""
    if key is HIDDEN or (type(key) is str and key.startswith("__")):
        return f"has a key that Python keeps for itself ({shown(words(key))})"
    return ""


_STATES: dict[str, Callable[[Made, Any], bool]] = {
    "array": _array,
    "balls": _balls,
    "bits": _bits,
    "cython": _seeds,
    "dtype": _dtype,
    "estimator": _attributes,
    "mapping": _mapping,
    "masked": _masked,
    "metric": _metric,
    "object": _attributes,
    "partial": _partial,
    "random": _random,
    "stand-in": stand_in_state,
    "strings": strings_state,
    "tree": _tree,
}

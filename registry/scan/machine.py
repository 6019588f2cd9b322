"""Plain: runs a pickle's opcodes on what is known of the values, and constructs none of them.

It follows the unpickler in pure Python, which is the one that opens the files that pass: the same
stack of marks, the same memo, the same frames. What that unpickler would do to an object is either
of a listed pattern here, or the file is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from registry.scan.finding import Refused, shown
from registry.scan.joblib_arrays import WRAPPER, described, pass_over
from registry.scan.pickle_calls import called, is_value
from registry.scan.pickle_ledger import Ledger
from registry.scan.pickle_source import Source
from registry.scan.pickle_states import built, check_name, key_fault
from registry.scan.pickle_tables import ARROW_STRINGS
from registry.scan.pickle_values import (
    SPENT,
    TEXT,
    Args,
    Array,
    Box,
    Long,
    Made,
    Ref,
    is_made,
    is_text,
    words,
)

MEMO_MAX = 2_000_000
STACK_MAX = 200_000
MARKS_MAX = 1_000
NESTED_MAX = 4
TUPLE_KEPT_MAX = 64
ITEMS_KEPT_MAX = 256
# What a dict's entries take is counted for as many at a time, in units of the ledger.
_ITEMS_COUNTED, _ITEMS_UNITS = 8, 6

Read = Callable[[Source, Ledger, int], Any]
_SCALARS = frozenset({type(None), bool, int, float, str, bytes})
_NAMED = type(TEXT)
_FREE = _SCALARS | {_NAMED, tuple, Long}
_REMEMBERED = frozenset({str, bytes, tuple, Args, Box, Made, Ref, Long, _NAMED})


class Machine:
    """The stack and the memo of one pickle; ``ledger`` is shared with those nested in it.

    ``read_nested`` reads a whole pickle from the source and gives its root.
    """

    def __init__(self, source: Source, ledger: Ledger, depth: int, read_nested: Read) -> None:
        self.source, self.ledger, self.depth = source, ledger, depth
        self.read_nested = read_nested
        self.protocol = 0
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: list[Any] = []

    # What values may go where.

    def hold(self, value: Any) -> None:
        """A list, dict, tuple or state takes ``value``, which is complete from now on."""
        kind = type(value)
        if kind in _FREE:
            return
        if kind is Box:
            if value.holds:
                raise Refused("pickle-value", f"A {value.kind} holds {value.holds}")
            value.is_closed = True
        elif kind is Ref:
            if not is_value(value):
                raise _no_value(value.full)
        elif kind is not Made:
            raise _no_value("the arguments of a call")
        elif value.is_open and not value.is_built:
            raise Refused("pickle-value", f"A {value.name} is used before it has its state")

    def take(self, holder: Any, value: Any) -> None:
        """``holder``, a list, dict or object, holds ``value`` from now on."""
        self.hold(value)
        self.count(holder, value)

    def count(self, holder: Any, value: Any) -> None:
        """``holder`` becomes deeper and larger by ``value``."""
        depth, extent = self.ledger.extent_of(value)
        holder.depth = max(holder.depth, depth + 1)
        holder.extent += extent
        self.ledger.check_extent(holder.depth, holder.extent)

    def tuple_of(self, items: list[Any]) -> Any:
        """The tuple; ``Args`` where only a call may take it."""
        is_args, depth, extent = False, 1, len(items)
        for item in items:
            kind = type(item)
            if kind is Args or (kind is Ref and not is_value(item)):
                is_args = True
                if item is SPENT:
                    raise _no_value(item.full)
            elif kind not in _SCALARS:
                self.hold(item)
            if kind not in _SCALARS:
                below, more = self.ledger.extent_of(item)
                depth, extent = max(depth, below + 1), extent + more
        self.ledger.check_extent(depth, extent)
        self.ledger.hold(1 + len(items) // 8)
        if len(items) > TUPLE_KEPT_MAX:
            if is_args:
                raise _no_value("the arguments of a call")
            made = Made("tuple", "long tuple", is_built=True)
            made.depth, made.extent = depth, extent
            return made
        made_of = Args(items) if is_args else tuple(items)
        if depth > 1:
            self.ledger.nested_tuple(made_of, depth, extent)
        return made_of

    def extend(self, box: Any, items: list[Any], kind: str) -> None:
        """Put items into a list or set that was made here and that nothing holds yet."""
        self._check_open(box, kind)
        for item in items:
            if type(item) not in _SCALARS:
                self.take(box, item)
        if kind == "set":
            for item in items:
                self._check_key(item)
        box.size += len(items)
        box.extent += len(items)

    def _check_open(self, box: Any, kind: str) -> None:
        if type(box) is Box and box.kind == kind:
            if not box.is_closed:
                return
            raise Refused("pickle-mutation", f"A {kind} is changed after something took it")
        if kind == "dict" and type(box) is Made and box.kind == "mapping" and not box.is_built:
            return
        raise Refused("pickle-mutation", f"Items are put into {words(box)}")

    def _check_key(self, key: Any) -> None:
        """Keys and members of sets are what has a hash of its own."""
        if type(key) is tuple:
            if all(type(part) in _SCALARS or is_text(part) for part in key):
                return
        elif type(key) in _SCALARS or is_text(key) or is_made(key, "scalar"):
            return
        elif type(key) is Ref:
            self.hold(key)
            return
        raise Refused("pickle-value", f"A key is {words(key)}")

    def put(self, box: Any, items: list[Any]) -> None:
        """Put keys and values, one after the other, into a dict that was made here."""
        self._check_open(box, "dict")
        if len(items) % 2:
            raise Refused("pickle-malformed", "A key without its value")
        is_plain = type(box) is Box
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not is_plain:
                check_name(box, key)
                self.take(box, value)
            elif key is TEXT and type(value) in _SCALARS:  # of a vocabulary, mostly
                box.size += 1
                box.extent += 1
            else:
                self._put(box, key, value)

    def _put(self, box: Box, key: Any, value: Any) -> None:
        if type(key) is not str:
            self._check_key(key)
        kind = type(value)
        if kind is Ref and value.kind == "argument":  # the class of an array, in its wrapper
            box.holds = f"the global {value.full}"
        elif kind not in _SCALARS:
            self.take(box, value)
        if not box.fault:
            box.fault = key_fault(key)
        box.size += 1
        box.extent += 1
        if type(key) is not str:
            if not is_text(key):
                box.fault = box.fault or f"has a key that is {words(key)}"
            return
        if box.items is None:
            if box.fault:
                return
            box.items = {}
        if not len(box.items) % _ITEMS_COUNTED:
            self.ledger.hold(_ITEMS_UNITS)
        if key in box.items:
            box.fault = box.fault or "has a key twice"
        if len(box.items) >= ITEMS_KEPT_MAX:
            self._let_go(box)
            box.fault = box.fault or "has too many keys"
            return
        box.items[key] = value

    # Calls.

    def reduce(self) -> None:
        """Pops arguments and a listed global, pushes what the call gives."""
        args, ref = self.stack.pop(), self.stack.pop()
        if type(ref) is not Ref or not isinstance(args, tuple):
            raise Refused("pickle-call", f"A call of {words(ref)} with {words(args)}")
        result = called(ref, args)
        if result is None:
            found = f"{ref.full} is not called like this by any model"
            raise Refused("pickle-call", found, **{"global": ref.full})
        if type(result) is Made and result.kind == "scalar":  # one for all of its type
            self.stack.append(result)
            return
        self.ledger.hold(2)
        if type(result) in (Box, Made):
            self.count(result, args)
        if is_made(result, "array") and result.fact:
            self.ledger.array(0)
        self.stack.append(result)

    def new_object(self) -> None:
        """Pops arguments and a listed class, pushes an object without state.

        Only named tuples are given arguments: the values that they hold.
        """
        args, ref = self.stack.pop(), self.stack.pop()
        if type(ref) is Ref and ref.kind == "record" and type(args) is tuple:
            self.ledger.hold(2)
            made = Made(ref.full, "object", is_built=True)
            self.count(made, args)
            self.stack.append(made)
            return
        if type(ref) is not Ref or args != () or type(args) not in (tuple, Args):
            raise Refused("pickle-call", f"An object of {words(ref)} is made from {words(args)}")
        self.ledger.hold(2)
        if ref.full == WRAPPER and not self.depth:
            self.stack.append(Made(ref.full, "wrapper", is_open=True))
        elif ref.kind in ("estimator", "object", "mapping", "stand-in"):
            self.stack.append(Made(ref.full, ref.kind))
        elif ref.kind == "ours" and ref.full == ARROW_STRINGS:
            self.stack.append(Made(ref.full, "strings", is_open=True))
        else:
            found = f"{ref.full} is no class that objects of a model are made of"
            raise Refused("pickle-call", found, **{"global": ref.full})

    def build(self) -> None:
        """Pops a state and gives it to the object below."""
        state, made = self.stack.pop(), self.stack[-1]
        if type(made) is not Made:
            raise Refused("pickle-state", f"A state is given to {words(made)}")
        if made.kind == "wrapper":
            self._array(made, state)
            return
        if type(state) is Args:
            raise _no_value("the arguments of a call")
        self.take(made, state)
        built(made, state)
        if type(state) is Box:
            self.ledger.version((state.items or {}).get("_sklearn_version"))
            self._let_go(state)
            # What was looked at is gone: another object with the same state would not be.
            state.fault = state.fault or "is that of another object already"
        elif type(made.fact) is Array:
            self.ledger.array(0)

    def _let_go(self, state: Box) -> None:
        """Forget a dict's entries, which nobody asks for any more."""
        if state.items is not None:
            self.ledger.hold(-_ITEMS_UNITS * -(-len(state.items) // _ITEMS_COUNTED))
            state.items = None

    def _array(self, made: Made, state: Any) -> None:
        """The array behind joblib's wrapper comes in its place."""
        if type(state) is not Box or state.kind != "dict" or made.is_built or state.is_closed:
            raise Refused("joblib-array", "A wrapper of an array without its description")
        found = described(state.items or {})
        if state.fault or state.size != len(state.items or {}):
            raise Refused("joblib-array", "A wrapper with more than its description")
        made.is_built = state.is_closed = True
        self._let_go(state)
        if (
            made.fact is not None
        ):  # the loader leaves the wrapper in its memo, and so nobody gets it
            self.memo[made.fact] = SPENT
        if found.dtype.has_objects:
            self._nested(found.array)
        else:
            pass_over(self.source, found)
        self.ledger.array(found.size_bytes)
        self.stack[-1] = Made("numpy.ndarray", "array", found.array, is_built=True)

    def _nested(self, array: Array) -> None:
        """An array of objects is a pickle of its own, and has to be an array of that shape."""
        self.source.check_frame_is_over("A pickle begins inside of a frame")
        if self.depth >= NESTED_MAX:
            raise Refused("pickle-limit", "Pickles are nested too deep", limit="nesting")
        inner = self.read_nested(self.source, self.ledger, self.depth + 1)
        if not is_made(inner, "array") or inner.fact.code != array.code:
            raise Refused("joblib-array", f"An array of objects is {words(inner)}")
        if inner.fact.shape != array.shape:
            raise Refused("joblib-array", "An array of objects has another shape than announced")

    # Stack and memo.

    def mark(self) -> None:
        """Begin a group of values."""
        if len(self.below) >= MARKS_MAX:
            raise Refused("pickle-limit", "The stack has too many marks", limit="marks")
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        """The values since the last mark, which goes away."""
        if not self.below:
            raise Refused("pickle-malformed", "A group of values without its beginning")
        items = self.stack
        self.stack = self.below.pop()
        return items

    def check_size(self) -> None:
        """To be called now and then: raises Refused when the stack grew beyond its limit."""
        if len(self.stack) + sum(map(len, self.below)) > STACK_MAX:
            raise Refused("pickle-limit", "The stack grows beyond its limit", limit="stack")

    def remember(self, index: int | None = None) -> None:
        """The value on top gets the next place in the memo, which has to be ``index``."""
        place, value = len(self.memo), self.stack[-1]
        if index is not None and index != place:
            raise Refused("pickle-memo", f"Place {index} of the memo is written out of turn")
        if type(value) not in _REMEMBERED or value is SPENT:
            raise Refused("pickle-memo", f"The memo is given {words(value)}")
        if place >= MEMO_MAX:
            raise Refused("pickle-limit", "The memo grows beyond its limit", limit="memo")
        if type(value) is Made and value.kind == "wrapper":
            if value.fact is not None:
                raise Refused("pickle-memo", "A wrapper of an array is kept twice")
            value.fact = place
        self.memo.append(value)

    def recall(self, index: int) -> None:
        """Push what is in a place of the memo."""
        if index >= len(self.memo):
            raise Refused("pickle-memo", f"Place {index} of the memo is read and was not written")
        value = self.memo[index]
        if value is SPENT or (type(value) is Made and value.kind == "wrapper"):
            raise Refused("pickle-memo", "A wrapper of an array is used a second time")
        self.stack.append(value)

    def root(self) -> Any:
        """The value at the end; raises Refused where others are left."""
        if self.below or len(self.stack) != 1:
            raise Refused("pickle-malformed", "Values are left on the stack at the end")
        value = self.stack.pop()
        self.hold(value)
        return value


def _no_value(found: str) -> Refused:
    return Refused("pickle-value", f"The file holds {shown(found)} in the place of a value")

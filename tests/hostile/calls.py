"""How a hostile file names a callable, and the ways in which a pickle calls it.

Each function of ``NAMES`` gives opcodes that leave the global on the stack, each of ``CALLS`` those
that call it or have it called. No form uses MEMOIZE: a payload may be put into any stream.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.hostile import opcodes as op
from tests.hostile.targets import TARGETS, Target

ESTIMATOR = op.named("sklearn.linear_model._logistic", "LogisticRegression")
# Far above what a small model memoises.
CELL = 70_000


@dataclass(frozen=True)
class Payload:
    """Opcodes that leave one value, and how they came about."""

    content: bytes
    recipe: str


def by_stack(module: str, name: str) -> bytes:
    return op.short_text(module) + op.short_text(name) + op.STACK_GLOBAL


def by_long_texts(module: str, name: str) -> bytes:
    return op.long_text(module) + op.text(name) + op.STACK_GLOBAL


def by_line_texts(module: str, name: str) -> bytes:
    return op.line_text(module) + op.line_text(name) + op.STACK_GLOBAL


def by_memo(module: str, name: str) -> bytes:
    kept = op.text(name) + op.put(CELL) + op.POP + op.text(module) + op.put(CELL + 1)
    return kept + op.POP + op.get(CELL + 1) + op.get(CELL) + op.STACK_GLOBAL


def by_overwritten_memo(module: str, name: str) -> bytes:
    """The memo's cell first holds a harmless name."""
    first = op.text("numpy") + op.put(CELL) + op.POP + op.text(module) + op.put(CELL) + op.POP
    return first + op.get(CELL) + op.text(name) + op.STACK_GLOBAL


def by_computed_text(module: str, name: str) -> bytes:
    """The name is what a call gives back."""
    computed = op.reduced(op.named("builtins", "str"), op.text(name))
    return op.text(module) + computed + op.STACK_GLOBAL


def by_dots(module: str, name: str) -> bytes:
    return op.text("sklearn.utils.validation") + op.text(f"{module}.{name}") + op.STACK_GLOBAL


def by_dots_in_lines(module: str, name: str) -> bytes:
    return op.named("numpy", f"{module}.{name}")


def by_carriage_return(module: str, name: str) -> bytes:
    return b"c" + f"{module}\r\n{name}\r\n".encode()


def by_blanks(module: str, name: str) -> bytes:
    return b"c" + f" {module}\n{name} \n".encode()


def by_look_alike(module: str, name: str) -> bytes:
    """A name that is written with another letter, or with bytes that are no UTF-8."""
    return b"c" + module.encode() + b"\n" + name.encode()[:-1] + b"\xd0\xbe\n"


def by_broken_bytes(module: str, name: str) -> bytes:
    return b"c" + module.encode() + b"\xff\n" + name.encode() + b"\n"


def by_bytes(module: str, name: str) -> bytes:
    """STACK_GLOBAL wants texts."""
    return op.literal(module.encode()) + op.literal(name.encode()) + op.STACK_GLOBAL


def by_zero_byte(module: str, name: str) -> bytes:
    return op.text(module) + op.text(f"{name}\0") + op.STACK_GLOBAL


def by_extension(module: str, name: str) -> bytes:
    return b"\x82\x07"


def by_wide_extension(module: str, name: str) -> bytes:
    return b"\x84\x07\x00\x00\x00"


NAMES: dict[str, Callable[[str, str], bytes]] = {
    "GLOBAL": op.named,
    "STACK_GLOBAL": by_stack,
    "STACK_GLOBAL of long texts": by_long_texts,
    "STACK_GLOBAL of lines": by_line_texts,
    "STACK_GLOBAL out of the memo": by_memo,
    "STACK_GLOBAL out of an overwritten cell": by_overwritten_memo,
    "STACK_GLOBAL of a computed text": by_computed_text,
    "STACK_GLOBAL of bytes": by_bytes,
    "STACK_GLOBAL with a zero byte": by_zero_byte,
    "a dotted name": by_dots,
    "a dotted name in lines": by_dots_in_lines,
    "GLOBAL with carriage returns": by_carriage_return,
    "GLOBAL with blanks": by_blanks,
    "GLOBAL with a letter that looks alike": by_look_alike,
    "GLOBAL with broken bytes": by_broken_bytes,
    "EXT1": by_extension,
    "EXT4": by_wide_extension,
}


def only_named(found: bytes, target: Target) -> bytes:
    return found


def by_reduce(found: bytes, target: Target) -> bytes:
    return found + op.literal(target[2]) + op.REDUCE


def by_reduce_twice(found: bytes, target: Target) -> bytes:
    return by_reduce(by_reduce(found, target), target)


def by_obj(found: bytes, target: Target) -> bytes:
    return op.MARK + found + b"".join(map(op.literal, target[2])) + op.OBJ


def by_inst(found: bytes, target: Target) -> bytes:
    names = f"{target[0]}\n{target[1]}\n".encode()
    return op.MARK + b"".join(map(op.literal, target[2])) + b"i" + names


def by_newobj(found: bytes, target: Target) -> bytes:
    return found + op.literal(target[2]) + op.NEWOBJ


def by_newobj_ex(found: bytes, target: Target) -> bytes:
    return found + op.literal(target[2]) + op.EMPTY_DICT + op.NEWOBJ_EX


def by_setstate_in_state(found: bytes, target: Target) -> bytes:
    """An instance that gets ``__setstate__`` from one BUILD and is called by the next."""
    first = op.made(ESTIMATOR, op.dict_of([(op.text("__setstate__"), found)]))
    return first + op.literal(target[2][0] if target[2] else None) + op.BUILD


def by_build_on_class(found: bytes, target: Target) -> bytes:
    """The class itself gets the attribute: every instance has it then."""
    return ESTIMATOR + op.dict_of([(op.text("predict"), found)]) + op.BUILD


def by_slot_state(found: bytes, target: Target) -> bytes:
    """BUILD with a pair sets attributes one by one, on a class too."""
    slots = op.dict_of([(op.text("__setstate__"), found)])
    return ESTIMATOR + op.NONE + slots + b"\x86" + op.BUILD


def by_append(found: bytes, target: Target) -> bytes:
    """APPEND calls the attribute ``append`` of what is no list."""
    bait = op.made(ESTIMATOR, op.dict_of([(op.text("append"), found)]))
    return bait + op.literal(target[2][0] if target[2] else None) + op.APPEND


def by_appends(found: bytes, target: Target) -> bytes:
    bait = op.made(ESTIMATOR, op.dict_of([(op.text("extend"), found)]))
    return bait + op.MARK + b"".join(map(op.literal, target[2])) + op.APPENDS


def by_additems(found: bytes, target: Target) -> bytes:
    bait = op.made(ESTIMATOR, op.dict_of([(op.text("update"), found)]))
    return bait + op.MARK + b"".join(map(op.literal, target[2])) + op.ADDITEMS


def by_setitem(found: bytes, target: Target) -> bytes:
    """SETITEM on what is no dict."""
    return op.made(found) + op.text("key") + op.text(op_text(target)) + op.SETITEM


def by_setitems(found: bytes, target: Target) -> bytes:
    return op.made(found) + op.MARK + op.text("key") + op.text(op_text(target)) + op.SETITEMS


def op_text(target: Target) -> str:
    return str(target[2][0]) if target[2] else "value"


def by_partial(found: bytes, target: Target) -> bytes:
    partial = op.named("functools", "partial")
    return op.reduced(partial, found, *map(op.literal, target[2])) + op.EMPTY_TUPLE + op.REDUCE


def by_partial_chain(found: bytes, target: Target) -> bytes:
    partial = op.named("functools", "partial")
    inner = op.reduced(partial, partial, found)
    return inner + op.literal(target[2]) + op.REDUCE + op.EMPTY_TUPLE + op.REDUCE


def by_partial_state(found: bytes, target: Target) -> bytes:
    """A partial of something listed whose state is replaced by BUILD."""
    partial = op.reduced(op.named("functools", "partial"), op.named("numpy", "log1p"))
    arguments = op.literal(target[2])
    return partial + op.tuple_of([found, arguments, op.EMPTY_DICT, op.NONE]) + op.BUILD


def by_generator(found: bytes, target: Target) -> bytes:
    """numpy.random._pickle calls what it is given as the bit generator's constructor."""
    constructor = op.named("numpy.random._pickle", "__generator_ctor")
    return op.reduced(constructor, op.text(op_text(target)), found)


def by_random_state(found: bytes, target: Target) -> bytes:
    constructor = op.named("numpy.random._pickle", "__randomstate_ctor")
    return op.reduced(constructor, op.text(op_text(target)), found)


def by_bit_generator(found: bytes, target: Target) -> bytes:
    return op.reduced(op.named("numpy.random._pickle", "__bit_generator_ctor"), found)


def by_reconstructor(found: bytes, target: Target) -> bytes:
    """copyreg makes an object by way of a base and hands it a state."""
    rebuild = op.named("copyreg", "_reconstructor")
    return op.reduced(rebuild, found, op.named("builtins", "object"), op.NONE)


def by_reconstructor_base(found: bytes, target: Target) -> bytes:
    rebuild = op.named("copyreg", "_reconstructor")
    return op.reduced(rebuild, ESTIMATOR, found, op.literal(op_text(target)))


def by_default_factory(found: bytes, target: Target) -> bytes:
    return op.reduced(op.named("collections", "defaultdict"), found)


def by_array_subclass(found: bytes, target: Target) -> bytes:
    """numpy's way to rebuild an array, with something that is no array."""
    rebuild = op.named("numpy._core.multiarray", "_reconstruct")
    return op.reduced(rebuild, found, op.literal((0,)), op.literal(b"b"))


def by_object_scalar(found: bytes, target: Target) -> bytes:
    dtype = op.reduced(op.named("numpy", "dtype"), op.text("O8"), op.FALSE, op.TRUE)
    return op.reduced(op.named("numpy._core.multiarray", "scalar"), dtype, found)


def by_persistent_id(found: bytes, target: Target) -> bytes:
    return found + b"Q"


def by_persistent_line(found: bytes, target: Target) -> bytes:
    return b"P" + target[0].encode() + b"\n"


CALLS: dict[str, Callable[[bytes, Target], bytes]] = {
    "named only": only_named,
    "REDUCE": by_reduce,
    "REDUCE of a REDUCE": by_reduce_twice,
    "OBJ": by_obj,
    "INST": by_inst,
    "NEWOBJ": by_newobj,
    "NEWOBJ_EX": by_newobj_ex,
    "__setstate__ in the state": by_setstate_in_state,
    "BUILD on a class": by_build_on_class,
    "BUILD with slots on a class": by_slot_state,
    "APPEND": by_append,
    "APPENDS": by_appends,
    "ADDITEMS": by_additems,
    "SETITEM on an object": by_setitem,
    "SETITEMS on an object": by_setitems,
    "partial": by_partial,
    "partial of partial": by_partial_chain,
    "partial with another state": by_partial_state,
    "generator constructor": by_generator,
    "random state constructor": by_random_state,
    "bit generator constructor": by_bit_generator,
    "reconstructor": by_reconstructor,
    "reconstructor's base": by_reconstructor_base,
    "default factory": by_default_factory,
    "array of another class": by_array_subclass,
    "object scalar": by_object_scalar,
    "persistent id": by_persistent_id,
    "persistent id in a line": by_persistent_line,
}
# These name nothing by themselves; the others are hostile by the name alone.
PLAIN_NAMES = ("GLOBAL", "STACK_GLOBAL", "STACK_GLOBAL of long texts", "STACK_GLOBAL of lines")


def payload(chance: random.Random) -> Payload:
    """A callable, named and called in drawn ways; the plain names as often as the tricks."""
    target = chance.choice(TARGETS)
    name = chance.choice(PLAIN_NAMES if chance.random() < 0.5 else tuple(NAMES))
    call = chance.choice(tuple(CALLS))
    content = CALLS[call](NAMES[name](target[0], target[1]), target)
    return Payload(content, f"{target[0]}.{target[1]} by {name}, {call}")

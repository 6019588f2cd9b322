"""Where in a file a payload hides. Each gives a whole stream, PROTO to STOP (and beyond)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from tests.hostile import opcodes as op
from tests.hostile.calls import CELL
from tests.hostile.stems import Stem, stems

HIDDEN = CELL + 5


FLUENT_SHARE = 0.8


def drawn_stem(chance: random.Random) -> Stem:
    return _as_it_speaks(chance.choice(stems()), chance)


def _as_it_speaks(stem: Stem, chance: random.Random) -> Stem:
    return replace(stem, is_fluent=chance.random() < FLUENT_SHARE)


def unframed_stem(chance: random.Random) -> Stem:
    """For joblib's arrays: their bytes cannot lie within a frame."""
    unframed = [stem for stem in stems() if not stem.is_framed]
    return _as_it_speaks(chance.choice(unframed), chance)


def bare(payload: bytes, chance: random.Random) -> bytes:
    return op.proto(chance.randint(2, 5)) + payload + op.STOP


def bare_in_a_frame(payload: bytes, chance: random.Random) -> bytes:
    return op.proto(chance.randint(4, 5)) + op.frame(payload + op.STOP)


def as_attribute(payload: bytes, chance: random.Random) -> bytes:
    stem = drawn_stem(chance)
    return stem.with_value(chance.choice(stem.flags), payload)


def as_further_attribute(payload: bytes, chance: random.Random) -> bytes:
    return drawn_stem(chance).with_attribute(op.text("further_"), payload)


def as_name_of_an_attribute(payload: bytes, chance: random.Random) -> bytes:
    return drawn_stem(chance).with_attribute(payload, op.NONE)


def as_key(payload: bytes, chance: random.Random) -> bytes:
    table = op.EMPTY_DICT + payload + op.NONE + op.SETITEM
    return drawn_stem(chance).with_attribute(op.text("table_"), table)


def in_a_list(payload: bytes, chance: random.Random) -> bytes:
    return drawn_stem(chance).with_attribute(op.text("list_"), op.list_of([op.NONE, payload]))


def in_a_set(payload: bytes, chance: random.Random) -> bytes:
    held = op.EMPTY_SET + op.MARK + payload + op.ADDITEMS
    return drawn_stem(chance).with_attribute(op.text("set_"), held)


def deep_in_tuples(payload: bytes, chance: random.Random) -> bytes:
    return drawn_stem(chance).with_attribute(op.text("deep_"), payload + b"\x85" * 12)


def dropped(payload: bytes, chance: random.Random) -> bytes:
    """The result is put away by POP before the model begins."""
    return drawn_stem(chance).with_first(payload + op.POP)


def dropped_with_a_mark(payload: bytes, chance: random.Random) -> bytes:
    return drawn_stem(chance).with_first(op.MARK + payload + b"1")


def dropped_at_the_end(payload: bytes, chance: random.Random) -> bytes:
    stem = drawn_stem(chance)
    return stem.patched(stem.content[:-1] + stem.spoken(payload) + op.POP + op.STOP)


def left_below_the_model(payload: bytes, chance: random.Random) -> bytes:
    """Nobody takes it off the stack: the model is what STOP finds on top."""
    return drawn_stem(chance).with_first(payload)


def in_the_memo(payload: bytes, chance: random.Random) -> bytes:
    """Made in the beginning, kept in a cell, used at the end."""
    stem = drawn_stem(chance)
    kept = payload + op.put(HIDDEN) + op.POP
    both = replace(stem, content=stem.with_first(kept))
    return both.with_attribute(op.text("kept_"), op.get(HIDDEN))


def kept_and_used_again(payload: bytes, chance: random.Random) -> bytes:
    """In the next cell of the memo, as its writer would put it, and fetched from there."""
    stem = _as_it_speaks(chance.choice([one for one in stems() if one.cells]), chance)
    cell = bytes([stem.cells])
    store = op.MEMOIZE if stem.protocol > 3 else b"q" + cell
    held = stem.spoken(payload) + store + b"h" + cell + b"\x86"
    return replace(stem, is_fluent=False).with_attribute(stem.spoken(op.text("kept_")), held)


def after_the_stop(payload: bytes, chance: random.Random) -> bytes:
    stem = drawn_stem(chance)
    return stem.content + op.proto(2) + payload + op.STOP


def before_the_model(payload: bytes, chance: random.Random) -> bytes:
    """A stream of its own in front of the model's."""
    return op.proto(2) + payload + op.STOP + drawn_stem(chance).content


def between_frames(payload: bytes, chance: random.Random) -> bytes:
    inner = op.text("x") + op.POP
    return op.proto(4) + op.frame(inner) + payload + op.frame(op.POP + op.NONE + op.STOP)


def over_the_end_of_a_frame(payload: bytes, chance: random.Random) -> bytes:
    """The frame ends in the middle of an opcode."""
    cut = chance.randint(1, max(1, len(payload) - 1))
    return op.proto(4) + op.frame(payload[:cut]) + payload[cut:] + op.STOP


def frame_in_a_frame(payload: bytes, chance: random.Random) -> bytes:
    return op.proto(4) + op.frame(op.frame(payload) + op.STOP)


def in_an_object_array(payload: bytes, chance: random.Random) -> bytes:
    """An array of objects as numpy pickles it: a list in its state."""
    rebuild = op.named("numpy._core.multiarray", "_reconstruct")
    made = op.reduced(rebuild, op.named("numpy", "ndarray"), op.literal((0,)), op.literal(b"b"))
    kind = op.reduced(op.named("numpy", "dtype"), op.text("O8"), op.FALSE, op.TRUE)
    parts = [op.literal(1), op.literal((1,)), kind, op.FALSE, op.list_of([payload])]
    array = made + op.tuple_of(parts) + op.BUILD
    return drawn_stem(chance).with_attribute(op.text("array_"), array)


def joblib_array(dtype: bytes, shape: bytes, data: bytes, **state: bytes) -> bytes:
    """joblib's wrapper with the array's bytes behind it; ``state`` replaces what is told."""
    told = {
        "subclass": op.named("numpy", "ndarray"),
        "shape": shape,
        "order": op.text("C"),
        "dtype": dtype,
        "allow_mmap": op.FALSE,
        "numpy_array_alignment_bytes": op.NONE,
    } | state
    wrapper = op.named("joblib.numpy_pickle", "NumpyArrayWrapper")
    pairs = [(op.text(key), value) for key, value in told.items()]
    return op.made(wrapper, op.dict_of(pairs)) + data


def dtype_of(text: str) -> bytes:
    """numpy.dtype as it is pickled, without its state."""
    return op.reduced(op.named("numpy", "dtype"), op.text(text), op.FALSE, op.TRUE)


def in_a_joblib_object_array(payload: bytes, chance: random.Random) -> bytes:
    """An array of objects as joblib writes it: a stream of its own within the stream."""
    inner = op.proto(2) + payload + op.STOP
    array = joblib_array(dtype_of("O8"), op.literal((1,)), inner)
    return unframed_stem(chance).with_attribute(op.text("array_"), array)


def behind_array_bytes(payload: bytes, chance: random.Random) -> bytes:
    """The array's bytes look like the end of a stream; the payload follows them."""
    array = joblib_array(dtype_of("u1"), op.literal((3,)), b"N..")
    held = op.tuple_of([array, payload])
    return unframed_stem(chance).with_attribute(op.text("array_"), held)


def under_a_wrong_shape(payload: bytes, chance: random.Random) -> bytes:
    """A reader that trusts another shape takes the payload for the array's bytes."""
    array = joblib_array(dtype_of("u1"), op.literal((chance.randint(0, 3), 0)), b"")
    held = op.tuple_of([array, payload])
    return unframed_stem(chance).with_attribute(op.text("array_"), held)


WRAPPERS: dict[str, Callable[[bytes, random.Random], bytes]] = {
    one.__name__.replace("_", " "): one
    for one in (
        bare,
        bare_in_a_frame,
        as_attribute,
        as_further_attribute,
        as_name_of_an_attribute,
        as_key,
        in_a_list,
        in_a_set,
        deep_in_tuples,
        dropped,
        dropped_with_a_mark,
        dropped_at_the_end,
        left_below_the_model,
        in_the_memo,
        kept_and_used_again,
        after_the_stop,
        before_the_model,
        between_frames,
        over_the_end_of_a_frame,
        frame_in_a_frame,
        in_an_object_array,
        in_a_joblib_object_array,
        behind_array_bytes,
        under_a_wrong_shape,
    )
}
# With a harmless value in the payload's place these are ordinary models.
ORDINARY = (
    "as attribute",
    "as further attribute",
    "in a list",
    "deep in tuples",
)

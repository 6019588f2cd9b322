"""Plain: reads the opcodes of a pickle, protocols 2 to 5, with exact lengths.

Only the opcodes that Python's own pickler writes are taken. What nobody's model has is refused:
persistent ids, extension codes, INST and OBJ, DUP and POP, text numbers, buffers out of band.
"""

from __future__ import annotations

import codecs
import struct
from collections.abc import Callable
from typing import Any

from registry.scan.containers import PROTO, PROTOCOLS, container_of
from registry.scan.finding import Refused
from registry.scan.machine import Machine
from registry.scan.pickle_ledger import OPCODES_MAX, Ledger
from registry.scan.pickle_source import Source
from registry.scan.pickle_values import Box, Long, Made

Handler = Callable[[Machine], None]
STOP = 0x2E
LONG_MAX_BYTES = 64
NAME_MAX_BYTES = 256
TEXT_TAKEN_BYTES = 1 << 16
_CHECK_EVERY = 2048
# Bytes of this many are numbers, and no pattern asks which: one value for all. Shorter are kept.
_NUMBERS: tuple[Long | None, ...] = (None,) * 8 + tuple(Long("bytes", n) for n in range(8, 17))
_INT4 = struct.Struct("<i")


def read_pickle(source: Source, ledger: Ledger, depth: int = 0) -> Any:
    """The root of the pickle that begins here, as the gate knows it; stands behind its STOP.

    Raises Refused for whatever no pickler writes and for everything that no model needs.
    """
    machine = Machine(source, ledger, depth, read_pickle)
    machine.protocol = _begin(source)
    if not depth:
        source.protocol = machine.protocol
    handlers, opcode, count = HANDLERS, source.opcode, 0
    code = -1
    try:
        while code != STOP:
            _check(machine, count)
            for _ in range(_CHECK_EVERY):
                code = opcode()
                if code == STOP:
                    break
                count += 1
                handlers[code](machine)
    except IndexError:
        raise Refused("pickle-malformed", "An opcode finds the stack empty") from None
    finally:
        ledger.opcodes += count
    source.check_frame_is_over("The pickle ends inside of a frame")
    return machine.root()


def _begin(source: Source) -> int:
    start = source.take(2)
    if start[0] == PROTO and start[1] in PROTOCOLS:
        return start[1]
    inner = container_of(start + bytes(8))
    if inner not in ("", "raw"):
        raise Refused("container-nested", f"A {inner} stream lies inside of another")
    raise Refused("pickle-protocol", f"The pickle stream begins with {start.hex()}")


def _check(machine: Machine, count: int) -> None:
    machine.source.check_time()
    machine.check_size()
    if machine.ledger.opcodes + count > OPCODES_MAX:
        raise Refused("pickle-limit", "The pickle has too many opcodes", limit="opcodes")


def _refused(machine: Machine) -> None:
    raise Refused("pickle-opcode", "An opcode that no model needs")


# Values that stand for themselves.


def _push(value: Any) -> Handler:
    return lambda machine: machine.stack.append(value)


def _unsigned(width: int) -> Callable[[Source], int]:
    """Reads a length, a place or a number; one byte, the commonest, without a detour."""
    return Source.byte if width == 1 else lambda source: source.number(width)


def _number(width: int) -> Handler:
    read = _unsigned(width)
    return lambda machine: machine.stack.append(read(machine.source))


def _signed4(machine: Machine) -> None:
    machine.stack.append(_INT4.unpack(machine.source.take(4))[0])


def _float(machine: Machine) -> None:
    machine.source.take(8)
    machine.stack.append(0.0)  # no pattern asks which


def _long1(machine: Machine) -> None:
    size = machine.source.byte()
    if size > LONG_MAX_BYTES:
        raise Refused("pickle-limit", f"A number of {size} bytes", limit="number")
    raw = machine.source.take(size)
    machine.stack.append(int.from_bytes(raw, "little", signed=True))


def _text(width: int) -> Handler:
    length = _unsigned(width)

    def push(machine: Machine) -> None:
        source = machine.source
        size = length(source)
        if size > TEXT_TAKEN_BYTES:
            machine.stack.append(_long_text(machine, size))
            return
        raw = source.take(size)
        known = machine.ledger.texts.get(raw)
        if known is None:
            known = machine.ledger.text(raw, machine.protocol)
        machine.stack.append(known)

    return push


def _long_text(machine: Machine, size: int) -> Long:
    """A long text: checked to be one, counted, and not kept."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogatepass")
    count, is_latin1 = 0, True
    for chunk in machine.source.chunks(size):
        text = decoder.decode(chunk)
        count += len(text)
        is_latin1 = is_latin1 and (text.isascii() or max(text) < "\u0100")
    decoder.decode(b"", final=True)
    machine.ledger.hold(1)
    return Long("latin1" if is_latin1 else "text", count)


def _bytes(width: int, kind: str = "bytes") -> Handler:
    length = _unsigned(width)

    def push(machine: Machine) -> None:
        size = length(machine.source)
        if size < len(_NUMBERS) and kind == "bytes":
            raw = machine.source.take(size)
            machine.stack.append(_NUMBERS[size] or raw)
            return
        machine.source.pass_over(size)
        machine.ledger.hold(1)
        machine.stack.append(Long(kind, size))

    return push


# Containers.


def _tuple_of_last(count: int) -> Handler:
    def push(machine: Machine) -> None:
        stack = machine.stack
        if len(stack) < count:
            raise IndexError
        made = machine.tuple_of(stack[-count:])
        del stack[-count:]
        stack.append(made)

    return push


def _tuple(machine: Machine) -> None:
    made = machine.tuple_of(machine.since_mark())
    machine.stack.append(made)


def _empty(kind: str) -> Handler:
    def push(machine: Machine) -> None:
        machine.ledger.hold(2)
        machine.stack.append(Box(kind))

    return push


def _append(machine: Machine) -> None:
    value = machine.stack.pop()
    machine.extend(machine.stack[-1], [value], "list")


def _appends(machine: Machine) -> None:
    items = machine.since_mark()
    machine.extend(machine.stack[-1], items, "list")


def _add_items(machine: Machine) -> None:
    items = machine.since_mark()
    machine.extend(machine.stack[-1], items, "set")


def _frozen_set(machine: Machine) -> None:
    box = Box("set")
    machine.extend(box, machine.since_mark(), "set")
    machine.ledger.hold(2)
    machine.stack.append(Made("builtins.frozenset", "object", is_built=True))


def _set_item(machine: Machine) -> None:
    stack = machine.stack
    value, key = stack.pop(), stack.pop()
    machine.put(stack[-1], [key, value])


def _set_items(machine: Machine) -> None:
    items = machine.since_mark()
    machine.put(machine.stack[-1], items)


# Globals, frames, the memo.


def _stack_global(machine: Machine) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(machine.ledger.ref(module, name, machine.protocol))


def _global(machine: Machine) -> None:
    if machine.protocol >= 4:
        raise Refused("pickle-opcode", "GLOBAL in a protocol that does not write it")
    module, name = _line(machine), _line(machine)
    machine.stack.append(machine.ledger.ref(module, name, machine.protocol))


def _line(machine: Machine) -> str:
    raw = bytearray()
    while (byte := machine.source.byte()) != 0x0A:
        raw.append(byte)
        if len(raw) > NAME_MAX_BYTES:
            raise Refused("pickle-limit", "The name of a global is too long", limit="name")
    return raw.decode("utf-8")


def _frame(machine: Machine) -> None:
    if machine.protocol < 4:
        raise Refused("pickle-opcode", "FRAME in a protocol that does not write it")
    machine.source.open_frame(machine.source.number(8))


def _memoize(machine: Machine) -> None:
    machine.remember()


def _put(width: int) -> Handler:
    place = _unsigned(width)
    return lambda machine: machine.remember(place(machine.source))


def _get(width: int) -> Handler:
    place = _unsigned(width)
    return lambda machine: machine.recall(place(machine.source))


_TAKEN: dict[bytes, Handler] = {
    b"N": _push(None),  # NONE
    b"\x88": _push(True),  # NEWTRUE
    b"\x89": _push(False),  # NEWFALSE
    b"J": _signed4,  # BININT
    b"K": _number(1),  # BININT1
    b"M": _number(2),  # BININT2
    b"\x8a": _long1,  # LONG1
    b"G": _float,  # BINFLOAT
    b"\x8c": _text(1),  # SHORT_BINUNICODE
    b"X": _text(4),  # BINUNICODE
    b"\x8d": _text(8),  # BINUNICODE8
    b"C": _bytes(1),  # SHORT_BINBYTES
    b"B": _bytes(4),  # BINBYTES
    b"\x8e": _bytes(8),  # BINBYTES8
    b"\x96": _bytes(8, "bytearray"),  # BYTEARRAY8
    b")": _push(()),  # EMPTY_TUPLE
    b"\x85": _tuple_of_last(1),  # TUPLE1
    b"\x86": _tuple_of_last(2),  # TUPLE2
    b"\x87": _tuple_of_last(3),  # TUPLE3
    b"t": _tuple,  # TUPLE
    b"]": _empty("list"),  # EMPTY_LIST
    b"a": _append,  # APPEND
    b"e": _appends,  # APPENDS
    b"}": _empty("dict"),  # EMPTY_DICT
    b"s": _set_item,  # SETITEM
    b"u": _set_items,  # SETITEMS
    b"\x8f": _empty("set"),  # EMPTY_SET
    b"\x90": _add_items,  # ADDITEMS
    b"\x91": _frozen_set,  # FROZENSET
    b"(": Machine.mark,  # MARK
    b"\x93": _stack_global,  # STACK_GLOBAL
    b"c": _global,  # GLOBAL
    b"R": Machine.reduce,  # REDUCE
    b"\x81": Machine.new_object,  # NEWOBJ
    b"b": Machine.build,  # BUILD
    b"\x95": _frame,  # FRAME
    b"\x94": _memoize,  # MEMOIZE
    b"q": _put(1),  # BINPUT
    b"r": _put(4),  # LONG_BINPUT
    b"h": _get(1),  # BINGET
    b"j": _get(4),  # LONG_BINGET
}
HANDLERS: list[Handler] = [_refused] * 256
for _code, _handler in _TAKEN.items():
    HANDLERS[_code[0]] = _handler

"""The same opcodes as the writer of another protocol puts them.

A gate that knows what each protocol writes refuses the others for that alone: hostile files have to
be fluent where what they say is to be looked at.
"""

from __future__ import annotations

import pickletools

from tests.hostile import opcodes as op

_TEXTS = ("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE")


def fluent(content: bytes, protocol: int) -> bytes:
    """The values' opcodes in the way of that protocol; as they are where they cannot be read."""
    try:
        found = list(pickletools.genops(content + op.STOP))[:-1]
    except (ValueError, IndexError, UnicodeDecodeError):
        return content
    ends = [at for _, _, at in found[1:]] + [len(content)]
    said: list[tuple[str, object, bytes]] = []
    for (opcode, argument, at), end in zip(found, ends, strict=True):
        _say(said, opcode.name, argument, content[at or 0 : end], protocol)
    return b"".join(piece for _, _, piece in said)


def _say(
    said: list[tuple[str, object, bytes]], name: str, argument: object, raw: bytes, protocol: int
) -> None:
    if name == "GLOBAL" and protocol > 3:
        module, _, rest = str(argument).partition(" ")
        texts = op.short_text(module) + op.short_text(rest)
        said.append((name, argument, texts + op.STACK_GLOBAL))
    elif name == "STACK_GLOBAL" and protocol < 4 and _are_texts(said[-2:]):
        (_, module, _), (_, attribute, _) = said[-2:]
        del said[-2:]
        said.append((name, None, op.named(str(module), str(attribute))))
    elif name in _TEXTS and protocol > 3 and len(str(argument).encode(errors="replace")) < 256:
        said.append((name, argument, op.short_text(str(argument))))
    elif name in _TEXTS:
        said.append((name, argument, op.text(str(argument))))
    elif name == "BINBYTES" and isinstance(argument, bytes):
        said.append((name, argument, _bytes(argument, protocol)))
    elif name == "BININT" and isinstance(argument, int) and 0 <= argument < 256:
        said.append((name, argument, b"K" + bytes([argument])))
    else:
        said.append((name, argument, raw))


def _are_texts(said: list[tuple[str, object, bytes]]) -> bool:
    return len(said) == 2 and all(name in _TEXTS and "\n" not in str(a) for name, a, _ in said)


def _bytes(value: bytes, protocol: int) -> bytes:
    if protocol < 3:
        encode = op.named("_codecs", "encode")
        return op.reduced(encode, op.text(value.decode("latin-1")), op.text("latin1"))
    return b"C" + bytes([len(value)]) + value if len(value) < 256 else op.literal(value)

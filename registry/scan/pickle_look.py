"""Plain: the gate for joblib and pickle files: look only, and refuse what is not on the list.

Container, opcodes, stack, arrays and root, in one pass over the stream. A file that passes can, by
everything that its opcodes say, do nothing but make listed objects and give them their state.
"""

from __future__ import annotations

from typing import Any, BinaryIO

from registry.scan.containers import known_container, pieces_of
from registry.scan.finding import Finding, Refused
from registry.scan.opcodes import read_pickle
from registry.scan.pickle_ledger import Ledger
from registry.scan.pickle_source import Source
from registry.scan.pickle_values import Made, words

# The number with which every file of torch.save begins that is no zip archive.
_PYTORCH = 0x1950A86A20F9469CFC6C


def look_at_pickle(file: BinaryIO, size: int, evidence: dict[str, Any]) -> Finding:
    """A ``passed`` finding for a model; raises Refused.

    ``evidence`` gets what was seen so far in either case; the offset of a refusal counts bytes of
    the stream, which for a compressed file is the one inside.
    """
    head = file.read(16)
    evidence["container"] = "unknown"
    evidence["container"] = container = known_container(head)
    source, ledger = Source(pieces_of(file, size, container)), Ledger()
    try:
        root = _root(source, ledger)
    except Refused as refused:
        refused.evidence.setdefault("offset", source.opcode_at)
        raise
    finally:
        evidence |= ledger.facts() | {"stream_bytes": source.offset}
        if source.protocol:
            evidence["protocol"] = source.protocol
    if container != "raw":
        evidence["stream_sha256"] = source.sha256()
    evidence["estimator"] = root.name
    count = sum(ledger.globals.values())
    summary = f"A {root.name}; {len(ledger.globals)} globals, all listed, named {count} times."
    return Finding("passed", "", summary, evidence)


def _root(source: Source, ledger: Ledger) -> Made:
    try:
        root = read_pickle(source, ledger)
    except UnicodeDecodeError:
        raise Refused("pickle-malformed", "A text is not UTF-8") from None
    if root == _PYTORCH:
        raise Refused("not-a-model", "The file is a checkpoint of PyTorch")
    if not source.is_over():
        found = "Bytes follow behind the end of the pickle"
        raise Refused("container-trailing-bytes", found, offset=source.offset)
    if type(root) is not Made or root.kind != "estimator":
        raise Refused("not-a-model", f"What the file holds is {words(root)}, no fitted estimator")
    return root

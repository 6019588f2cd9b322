"""Plain: the gate for joblib and pickle files: look only, and refuse what is not on the list.

Container, opcodes, stack, arrays and root, in one pass over the stream. A file that passes can, by
everything that its opcodes say, do nothing but make listed objects and give them their state.
"""

from __future__ import annotations

import re
from typing import Any, BinaryIO

from registry.scan.containers import known_container, pieces_of
from registry.scan.finding import Finding, Refused
from registry.scan.opcodes import read_pickle
from registry.scan.pickle_ledger import Ledger
from registry.scan.pickle_source import Source
from registry.scan.pickle_values import Made, words

# The number with which every file of torch.save begins that is no zip archive.
_PYTORCH = 0x1950A86A20F9469CFC6C
# A refused file is searched so far for the version that saved it: name and text, by any protocol.
SEARCHED_BYTES = 32 << 20
_VERSION_MAX_BYTES = 64
_VERSION = re.compile(
    rb"_sklearn_version(?:\x94|q.|r....)?(?:\x8c|X(?=.\0\0\0))([\x01-\x20])(?:\0{3})?", re.DOTALL
)
# Reasons that another version of the libraries may explain.
_OF_A_VERSION = frozenset({"pickle-untrusted-global", "pickle-call", "pickle-state"})


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
        refused.evidence.setdefault("stream_bytes", source.offset)
        _note_versions(source, ledger)
        if ledger.versions and refused.reason in _OF_A_VERSION:
            versions = ", ".join(sorted(ledger.versions))
            refused.args = (f"{refused} (scikit-learn {versions} has saved it)",)
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


def _note_versions(source: Source, ledger: Ledger) -> None:
    """Search what was not read for the version that saved the file: it may be why it is refused."""
    tail = b""
    try:
        for piece in source.rest(SEARCHED_BYTES):
            searched = tail + piece
            for found in _VERSION.finditer(searched):
                text = searched[found.end() : found.end() + found[1][0]]
                ledger.version(text.decode("latin-1"))
            if ledger.versions:
                return
            tail = piece[-_VERSION_MAX_BYTES:]
    except Refused:  # the file ends here, or is damaged: that is not why it is refused
        return


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

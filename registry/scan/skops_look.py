"""Plain: skops files (skops 0.13 and later, protocol 2): a zip archive with ``schema.json``.

Each node of the schema names a loader, a module and a class or function. The three have to stand
together in ``skops_types.json``: a list of ours, never one from the file. Nothing is imported.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any, BinaryIO

from registry import strict_json
from registry.errors import DomainError
from registry.scan.finding import Finding, Refused, shown
from registry.scan.npy import HEADER_MAX_BYTES, PREFIX_MAX_BYTES, check_npy
from registry.scan.pickle_remedies import remedy_for
from registry.scan.zips import Zip

SCHEMA = "schema.json"
SCHEMA_MAX_BYTES = 32 << 20
DEPTH_MAX = 200
SPARSE_MAX_BYTES = 256 << 20
NAMES_SHOWN = 200
_MEMBER = re.compile(r"schema\.json|[0-9A-Fa-f-]{1,40}\.(?:npy|npz|bin)")
_SPARSE_MEMBER = re.compile(r"[a-z_]{1,16}\.npy")
_MODULE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_MARKS = ("__loader__", "__module__", "__class__")

# Read at import: the process that looks has no file system any more.
LISTED: dict[str, Any] = json.loads(
    resources.files("registry.scan").joinpath("skops_types.json").read_text()
)
PROTOCOLS = frozenset(LISTED["protocols"])
_ALLOWED = {loader: frozenset(names) for loader, names in LISTED["nodes"].items()}


def look_at_skops(file: BinaryIO, size: int, evidence: dict[str, Any]) -> Finding:
    """A ``passed`` finding; raises Refused."""
    archive = Zip(file, 0, size)
    evidence |= {
        "members": len(archive.members),
        "unpacked_bytes": sum(m.size_bytes for m in archive.members.values()),
        "list_made_with": LISTED["made_with"],
    }
    _check_names(archive)
    schema = _schema(archive)
    nodes = list(_nodes(schema))
    names = sorted({f"{module}.{name}" for _, module, name, _ in nodes})
    evidence |= {"nodes": len(nodes), "types": names[:NAMES_SHOWN], "types_count": len(names)}
    evidence |= _written_by(schema)
    _check_types(nodes)
    _check_files(nodes, archive)
    _check_arrays(file, archive)
    root = f"{schema['__module__']}.{schema['__class__']}"
    summary = f"A skops file with {root}; all {len(names)} types in it are on the list."
    return Finding("passed", "", summary, evidence)


def _check_names(archive: Zip) -> None:
    for name in archive.members:
        if _MEMBER.fullmatch(name) is None:
            raise Refused("zip-unexpected-member", f"The member {shown(name)} is none of skops")
    if SCHEMA not in archive.members:
        raise Refused("skops-no-schema", "There is no schema.json in the archive")


def _schema(archive: Zip) -> dict[str, Any]:
    body = archive.whole(SCHEMA, SCHEMA_MAX_BYTES)
    try:
        schema = strict_json.loads(body, max_bytes=SCHEMA_MAX_BYTES, max_depth=DEPTH_MAX)
    except (DomainError, RecursionError) as fault:
        raise _malformed(f"schema.json is not strict JSON: {shown(fault, 160)}") from None
    if not isinstance(schema, dict) or "__loader__" not in schema:
        raise _malformed("schema.json does not describe an object")
    return schema


def _written_by(schema: dict[str, Any]) -> dict[str, Any]:
    protocol = schema.get("protocol")
    facts = {"protocol": protocol, "skops_version": shown(schema.get("_skops_version"), 20)}
    if type(protocol) is not int or protocol not in PROTOCOLS:
        raise Refused("skops-protocol", f"The protocol is {shown(protocol)}", **facts)
    return facts


Node = tuple[str, str, str, dict[str, Any]]


def _nodes(schema: dict[str, Any]) -> Iterator[Node]:
    """Every node as (loader, module, name, its members), in any order."""
    waiting: list[Any] = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(part for part in value if isinstance(part, dict | list))
        elif isinstance(value, dict):
            if any(mark in value for mark in _MARKS):
                yield _node(value)
            waiting.extend(part for part in value.values() if isinstance(part, dict | list))


def _node(value: dict[str, Any]) -> Node:
    loader, module, name = (value.get(mark) for mark in _MARKS)
    if not (isinstance(loader, str) and isinstance(module, str) and isinstance(name, str)):
        raise _malformed("a node lacks its loader, module or class")
    if loader == "MethodNode":
        # A bound method: the class stands in the node, the method in its content.
        content = value.get("content")
        method = content.get("func") if isinstance(content, dict) else None
        name = f"{name}.{method}" if _is_name(method) and _is_name(name) else ""
    elif loader == "PartialNode":
        name = f"{name}({_held_by(value)})" if _is_name(name) else ""
    elif not _is_name(name):
        name = ""
    if not name or _MODULE.fullmatch(module) is None:
        raise _malformed(f"a node names {shown(module)}.{shown(value.get('__class__'))}")
    return loader, module, name, value


def _held_by(partial: dict[str, Any]) -> str:
    """The function that a partial holds, which is judged together with it."""
    content = partial.get("content")
    held = content.get("func") if isinstance(content, dict) else None
    if not isinstance(held, dict) or held.get("__loader__") != "FunctionNode":
        return ""
    return f"{shown(held.get('__module__'))}.{shown(held.get('__class__'))}"


def _is_name(text: Any) -> bool:
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def _check_types(nodes: list[Node]) -> None:
    alien = sorted(
        {
            f"{module}.{name}" if loader in _ALLOWED else f"{module}.{name} ({shown(loader)})"
            for loader, module, name, _ in nodes
            if f"{module}.{name}" not in _ALLOWED.get(loader, ())
        }
    )
    if alien:
        first = ", ".join(shown(name) for name in alien[:3])
        found = f"{len(alien)} of the types in the file are not on the list: {first}"
        shown_names = [shown(name, 120) for name in alien[:NAMES_SHOWN]]
        drawn = [name for name in alien if name.startswith("scipy.stats.")]
        better = {"remedy": remedy_for(drawn[0])} if len(drawn) == len(alien) else {}
        raise Refused("skops-untrusted-type", found, untrusted_types=shown_names, **better)


def _check_files(nodes: list[Node], archive: Zip) -> None:
    """Every file that a node names is a member, and of the kind that its loader reads."""
    for loader, _, _, value in nodes:
        if "file" not in value:
            continue
        name = value["file"]
        if not isinstance(name, str) or name == SCHEMA or name not in archive.members:
            raise _malformed(f"a node names the member {shown(name)}")
        suffix = {"NdArrayNode": ".npy", "SparseMatrixNode": ".npz"}.get(loader, ".bin")
        if not name.endswith(suffix):
            raise _malformed(f"{loader} does not read {shown(name)}")


def _check_arrays(file: BinaryIO, archive: Zip) -> None:
    for name, member in archive.members.items():
        if name.endswith(".npy"):
            head = archive.head(name, PREFIX_MAX_BYTES + HEADER_MAX_BYTES)
            check_npy(head, member.size_bytes, name)
        elif name.endswith(".npz"):
            _check_sparse(file, archive, name)


def _check_sparse(file: BinaryIO, archive: Zip, name: str) -> None:
    """A sparse matrix is an archive of arrays inside of the archive."""
    at, size = archive.stored_at(name), archive.members[name].size_bytes
    if at is not None:
        inner = Zip(file, at, size)
    else:
        inner = Zip(io.BytesIO(archive.whole(name, SPARSE_MAX_BYTES)), 0, size)
    for part, member in inner.members.items():
        if _SPARSE_MEMBER.fullmatch(part) is None:
            raise Refused("zip-unexpected-member", f"{shown(name)} holds {shown(part)}")
        head = inner.head(part, PREFIX_MAX_BYTES + HEADER_MAX_BYTES)
        check_npy(head, member.size_bytes, part)


def _malformed(how: str) -> Refused:
    return Refused("skops-schema-malformed", f"The schema is refused: {how}")

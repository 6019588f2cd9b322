"""Plain: Open Inference Protocol V2: tensors in, tensors out, as JSON or as bytes behind the JSON.

Followed: the published inference protocol (KServe, "Open Inference Protocol V2", REST) and its
binary tensor extension (Triton, ``Inference-Header-Content-Length``). What a model's columns are
as tensors stands in ``open_inference_inputs.py``, its answers in ``open_inference_outputs.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from registry import strict_json
from registry.errors import InvalidField, MalformedParameter, TooLarge
from registry.signature.names import nearest, pointer_token, shown
from registry.signature.params import read_params
from registry.signature.types import Signature
from registry.signature.validate import Validated
from serving.protocols.base import Decoded, Encoded, Head, Limits, Reply
from serving.protocols.open_inference_fast import read_infer
from serving.protocols.open_inference_inputs import read_inputs
from serving.protocols.open_inference_outputs import (
    Asked,
    Wanted,
    answer_tensors,
    kind_of,
)

JSON = "application/json"
BINARY = "application/octet-stream"
LENGTH_HEADER = "Inference-Header-Content-Length"
VERSION_HEADER = "X-Modelyard-Model-Version"
# ``model_name`` and ``model_version`` stand in the path; some clients repeat them in the body.
_NOTHING_SAID = Asked()
_NO_TAIL = memoryview(b"")
_MEMBERS = ("id", "parameters", "inputs", "outputs", "model_name", "model_version")


def decode(
    body: bytes, head: Head, signature: Signature, *, limits: Limits | None = None
) -> Decoded:
    """The rows of a request, checked against the signature, with what it asks for.

    ``parameters`` that the signature declares are the params of the call, others are let be: the
    protocol leaves their meaning to whoever knows them. Bad cells do not raise: they stand in
    ``validated``. Raises MalformedBody, MalformedParameter, TooLarge, and InvalidField with a JSON
    pointer for tensors that are not those of the model.
    """
    limits = limits or Limits()
    text, tail = _parts(body, head.json_bytes, limits)
    fast = read_infer(text, tail, signature) if len(text) <= limits.body_bytes else None
    if fast is not None and fast.columns.n_rows <= limits.rows:
        members, validated = fast.members, Validated.all_good(fast.columns)
        if not members:
            return Decoded(validated, None, read_params(signature, {}), _NOTHING_SAID)
    else:
        members = _members(strict_json.loads(text, max_bytes=limits.body_bytes))
        validated = read_inputs(members.get("inputs"), tail, signature, limits)
    parameters = _parameters(members, "/parameters")
    declared = {param.name for param in signature.params}
    given = {name: value for name, value in parameters.items() if name in declared}
    asked = _asked(members, parameters)
    kinds = tuple(dict.fromkeys(wanted.kind for wanted in asked.outputs)) or None
    return Decoded(validated, kinds, read_params(signature, given, pointer="/parameters"), asked)


def encode(reply: Reply) -> Encoded:
    """The answer: tensors in JSON, or behind it where the request wants them binary.

    ``id`` is the caller's, or the request's own. Raises InvalidField for an output that was asked
    for by a name that the answer does not have.
    """
    asked = reply.notes if isinstance(reply.notes, Asked) else Asked()
    tensors = answer_tensors(reply, asked)
    members = {
        "model_name": reply.ref or reply.model,
        "model_version": str(reply.version),
        "id": asked.id or reply.request_id,
        "outputs": [tensor.entry for tensor in tensors],
    }
    headers = {VERSION_HEADER: f"{reply.model}/{reply.version}"}
    text = strict_json.dumps(members)
    if not any(tensor.is_binary for tensor in tensors):
        return Encoded(text, JSON, headers)
    headers[LENGTH_HEADER] = str(len(text))
    return Encoded(b"".join([text, *(tensor.content for tensor in tensors)]), BINARY, headers)


def _parts(body: bytes, json_bytes: str | None, limits: Limits) -> tuple[bytes, memoryview]:
    """The JSON of the body, and what stands behind it."""
    if json_bytes is None:
        return body, _NO_TAIL
    if len(body) > limits.binary_body_bytes:
        text = f"The body is larger than {limits.binary_body_bytes} bytes."
        raise TooLarge(text, limit_bytes=limits.binary_body_bytes)
    # int() takes signs, blanks, underscores and digits of other scripts.
    is_number = json_bytes.isascii() and json_bytes.isdigit() and len(json_bytes) < 12
    length = int(json_bytes) if is_number else -1
    if not 0 <= length <= len(body):
        text = f"{LENGTH_HEADER} must be the length of the JSON at the beginning of the body"
        raise MalformedParameter(f"{text}, at most {len(body)} here.")
    return body[:length], memoryview(body)[length:]


def _members(parsed: Any) -> dict[str, Any]:
    if not isinstance(parsed, dict):
        raise InvalidField("The body must be an object with `inputs`.")
    for name in parsed:
        if name not in _MEMBERS:
            text = f"There is no member `{shown(name)}`; the nearest is"
            raise InvalidField(
                f"{text} `{nearest(name, _MEMBERS)}`.", pointer=f"/{pointer_token(name)}"
            )
    return parsed


def _parameters(holder: dict[str, Any], pointer: str) -> dict[str, Any]:
    found = holder.get("parameters")
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InvalidField("`parameters` is an object.", pointer=pointer)
    return found


def _asked(members: dict[str, Any], parameters: dict[str, Any]) -> Asked:
    name = members.get("id")
    if not (name is None or isinstance(name, str)):
        raise InvalidField("`id` is a text.", pointer="/id")
    is_binary = _flag(parameters, "binary_data_output", "/parameters") or False
    outputs = members.get("outputs")
    if outputs is None:
        return Asked(name or "", (), is_binary)
    if not isinstance(outputs, list):
        raise InvalidField("`outputs` is a list.", pointer="/outputs")
    wanted = tuple(_wanted(entry, f"/outputs/{at}") for at, entry in enumerate(outputs))
    _check_asked_once(wanted)
    return Asked(name or "", wanted, is_binary)


def _wanted(entry: Any, pointer: str) -> Wanted:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise InvalidField("An output is an object with a `name`.", pointer=pointer)
    parameters = _parameters(entry, f"{pointer}/parameters")
    if parameters.get("classification"):
        text = "The classification extension is not offered; ask for `predict_proba`."
        raise InvalidField(text, pointer=f"{pointer}/parameters/classification")
    is_binary = _flag(parameters, "binary_data", f"{pointer}/parameters")
    return Wanted(entry["name"], kind_of(entry["name"], f"{pointer}/name"), is_binary)


def _check_asked_once(outputs: Sequence[Wanted]) -> None:
    """Raises InvalidField for an output that two names mean: each would be written out anew."""
    names = {wanted.name for wanted in outputs}
    seen: set[str] = set()
    for at, wanted in enumerate(outputs):
        group = wanted.name.partition(".")[0]
        if wanted.name in seen:
            text = f"The output `{shown(wanted.name)}` is asked for twice."
        elif group != wanted.name and group in names:
            text = f"The output `{shown(wanted.name)}` is asked for twice: it is one of `{group}`."
        else:
            seen.add(wanted.name)
            continue
        raise InvalidField(text, pointer=f"/outputs/{at}/name")


def _flag(parameters: dict[str, Any], name: str, pointer: str) -> bool | None:
    found = parameters.get(name)
    if not (found is None or isinstance(found, bool)):
        raise InvalidField(f"`{name}` is true or false.", pointer=f"{pointer}/{name}")
    return found

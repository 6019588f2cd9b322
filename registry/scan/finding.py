"""Plain: what looking into a model file found, and the table of the reasons to refuse one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["passed", "warned", "failed"]

# reason -> (what was found, what to do about it). The reference page lists them from here.
REASONS: dict[str, tuple[str, str]] = {
    "too-large": ("the file or a part of it is over the limit", "save a smaller model"),
    "empty-file": ("the file is empty", "upload the file again"),
    "truncated": (
        "the file ends in the middle or was changed on the way",
        "save the model and upload it again",
    ),
    "container-not-supported": (
        "the file is packed in a way that is not opened here",
        "save with joblib.dump(model, path) or joblib.dump(model, path, compress='zlib')",
    ),
    "container-bomb": (
        "the compressed file grows beyond measure",
        "save with joblib.dump(model, path) without compression",
    ),
    "container-damaged": (
        "the compressed bytes do not decompress",
        "save the model and upload it again",
    ),
    "container-trailing-bytes": (
        "bytes follow behind the end of the file's content",
        "upload the file exactly as it was saved",
    ),
    "container-nested": (
        "a compressed file inside of a compressed file",
        "compress once, by joblib itself",
    ),
    "pickle-protocol": (
        "a pickle that does not begin with a protocol from 2 to 5",
        "save with joblib.dump or pickle.dump of Python 3",
    ),
    "pickle-untrusted-global": (
        "the file names a class or function that is not on our list",
        "use scikit-learn's own estimators and named numpy functions, or export to ONNX",
    ),
    "pickle-global-not-literal": (
        "a class or function is named by something else than two plain texts",
        "save with joblib.dump or pickle.dump; no pickler writes this",
    ),
    "pickle-call": (
        "a listed function or class is called as no fitted model calls it",
        "fit and save the model with the server's versions of scikit-learn and numpy",
    ),
    "pickle-state": (
        "an object gets a state that objects of its class do not have",
        "fit and save the model with the server's versions of scikit-learn and numpy",
    ),
    "pickle-value": (
        "something stands in a place where models have plain values",
        "use plain parameters: numbers, texts, arrays and named functions",
    ),
    "pickle-mutation": (
        "a list or dict is changed after it was used, or what is changed is neither",
        "save with joblib.dump or pickle.dump; no pickler writes this",
    ),
    "pickle-memo": (
        "the pickle's memo is used as no pickler uses it",
        "save with joblib.dump or pickle.dump; no pickler writes this",
    ),
    "pickle-frame": (
        "opcodes or arrays reach over the end of a frame",
        "save with joblib.dump or pickle.dump; no pickler writes this",
    ),
    "pickle-opcode": (
        "an opcode that no model needs: persistent ids, extension codes, INST, OBJ and the like",
        "save with joblib.dump or pickle.dump of Python 3, protocol 2 to 5",
    ),
    "pickle-malformed": (
        "the opcodes make no sense together",
        "save the model and upload it again",
    ),
    "pickle-limit": (
        "more objects, opcodes or nesting than are looked at; the limit is in the evidence",
        "save a smaller model, or export it to ONNX",
    ),
    "joblib-array": (
        "an array in the file is not as joblib writes it",
        "save with joblib.dump of joblib 1.2 or later, arrays of numbers or text",
    ),
    "not-a-model": (
        "the file is harmless, but what it holds is no fitted scikit-learn estimator",
        "save the fitted estimator itself: joblib.dump(model, path); export networks to ONNX",
    ),
    "took-too-long": (
        "looking into the file takes longer than it may",
        "save a smaller model, or without compression",
    ),
    "zip-damaged": ("the zip archive is not as the writer leaves it", "save with skops.io.dump"),
    "zip-too-many-members": ("the archive has too many members", "save with skops.io.dump"),
    "zip-bomb": (
        "the members grow beyond measure",
        "save with skops.io.dump without compression",
    ),
    "zip-encrypted": ("a member is encrypted", "save with skops.io.dump"),
    "zip-compression": (
        "a member is compressed by a method that is not read here",
        "save with skops.io.dump, uncompressed or with zipfile.ZIP_DEFLATED",
    ),
    "zip-duplicate-member": ("two members have the same name", "save with skops.io.dump"),
    "zip-unsafe-name": (
        "a member's name is a path: absolute, with .., a slash or a backslash",
        "save with skops.io.dump",
    ),
    "zip-not-a-file": ("a member is a link or a folder", "save with skops.io.dump"),
    "zip-unexpected-member": (
        "a member that the format does not have",
        "save with skops.io.dump and add nothing to the archive",
    ),
    "zip-headers-differ": (
        "the archive's directory and a member's own header disagree",
        "save with skops.io.dump",
    ),
    "skops-no-schema": ("the archive has no schema.json", "save with skops.io.dump"),
    "skops-schema-malformed": (
        "schema.json is not what skops writes",
        "save with skops.io.dump of the version that is named in the evidence",
    ),
    "skops-protocol": (
        "the file was written by another generation of skops",
        "save again with the version of skops that is named in the evidence",
    ),
    "skops-untrusted-type": (
        "the file names types or functions that are not on our list",
        "use scikit-learn's own estimators and named numpy functions, or export to ONNX",
    ),
    "skops-array-malformed": (
        "an array in the archive is not as numpy writes it, or holds objects",
        "save with skops.io.dump",
    ),
    "onnx-malformed": (
        "the bytes are no ONNX model (protobuf)",
        "save with onnx.save, or model.SerializeToString()",
    ),
    "onnx-external-data": (
        "weights lie in other files",
        "save with all data inside: onnx.save(model, path, save_as_external_data=False)",
    ),
    "onnx-domain": (
        "operators of a domain other than ai.onnx and ai.onnx.ml",
        "export with standard operators only",
    ),
    "onnx-local-functions": (
        "the model brings functions of its own",
        "inline them: onnx.inliner.inline_local_functions(model)",
    ),
    "onnx-subgraph": (
        "Loop, Scan, If or another operator with a graph of its own",
        "export a model without control flow",
    ),
    "onnx-tensor-size": (
        "a tensor's data are not as long as its shape says",
        "export the model again",
    ),
    "onnx-too-many-parts": ("more nodes, tensors or attributes than are read", "simplify it"),
    "onnx-not-supported": (
        "a part of the format that is not taken: training, sparse or segmented tensors",
        "export for inference, with dense tensors",
    ),
    "xgboost-malformed": (
        "the bytes are no XGBoost model, or its trees are not as XGBoost writes them",
        "save with model.save_model('model.ubj')",
    ),
    "xgboost-binary": (
        "the binary format that XGBoost wrote before its version 1.0, and reads no more",
        "load it with an XGBoost before 3.1 and save with model.save_model('model.ubj')",
    ),
    "lightgbm-malformed": (
        "the bytes are no LightGBM model, or its trees are not as LightGBM writes them",
        "save with model.booster_.save_model('model.txt'), trained without linear_tree",
    ),
    "catboost-malformed": (
        "the bytes are no CatBoost model, or its trees are not as CatBoost writes them",
        "save with model.save_model('model.cbm'), without text or embedding features",
    ),
    "mlflow-malformed": (
        "the folder or its MLmodel file is not as MLflow writes it",
        "save with mlflow's save_model into a new folder and zip that folder",
    ),
    "mlflow-flavor": (
        "the model needs code or a library that is not run here",
        "save with mlflow.sklearn, onnx, xgboost, lightgbm or catboost, without code_paths",
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict of looking.

    ``reason`` is a key of ``REASONS``, empty where the file passed. ``evidence`` is JSON-able.
    """

    verdict: Verdict
    reason: str
    summary: str
    evidence: dict[str, Any] = field(default_factory=dict)


class Refused(Exception):
    """Raised while looking; becomes a ``failed`` finding with the remedy of its reason."""

    def __init__(self, reason: str, found: str, **evidence: Any) -> None:
        super().__init__(found)
        self.reason = reason
        self.evidence = evidence

    def finding(self, evidence: dict[str, Any]) -> Finding:
        """The finding, with what was known of the file before.

        A ``remedy`` in the evidence fits better than the one of the reason, and takes its place.
        """
        remedy = self.evidence.get("remedy") or REASONS[self.reason][1]
        summary = f"{str(self).rstrip('.')}. What to do: {remedy}."
        return Finding("failed", self.reason, summary, {**evidence, **self.evidence})


def shown(text: object, limit: int = 80) -> str:
    """A text out of the file, printable and short."""
    plain = str(text).encode("ascii", "backslashreplace").decode()
    plain = "".join(char if char.isprintable() else "?" for char in plain)
    return plain if len(plain) <= limit else plain[: limit - 3] + "..."

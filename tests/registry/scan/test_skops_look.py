"""skops files: the archive's structure, the arrays in it, and every type against our list."""

from __future__ import annotations

import io
import json
import struct
import zipfile

import numpy as np
import pandas as pd
import pytest

from registry.scan import look
from registry.scan.skops_look import LISTED


def looked(content: bytes):
    return look(io.BytesIO(content), len(content), "skops")


def unpacked(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(members, method=zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in members.items() if isinstance(members, dict) else members:
            archive.writestr(name, content)
    return out.getvalue()


def with_schema(content: bytes, change) -> bytes:
    members = unpacked(content)
    schema = json.loads(members["schema.json"])
    changed = change(schema)
    members["schema.json"] = json.dumps(schema if changed is None else changed).encode()
    return packed(members)


def node(loader, module, name, **more):
    return {"__loader__": loader, "__module__": module, "__class__": name, "__id__": 1, **more}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_fitted_pipeline_passes_with_its_types_as_evidence(skops_bytes, method):
    found = looked(packed(unpacked(skops_bytes), method))
    assert (found.verdict, found.reason) == ("passed", "")
    assert "sklearn.tree._tree.Tree" in found.evidence["types"]
    assert found.evidence["types"] == sorted(found.evidence["types"])
    assert found.evidence["protocol"] == 2
    json.dumps(found.evidence)


def test_ordinary_models_of_many_kinds_pass(table):
    import skops.io
    from scipy import sparse
    from sklearn import ensemble, feature_selection, gaussian_process, linear_model, neighbors
    from sklearn.preprocessing import FunctionTransformer

    models = [
        ensemble.HistGradientBoostingClassifier(max_iter=2),
        ensemble.GradientBoostingClassifier(n_estimators=2),
        linear_model.SGDClassifier(),
        linear_model.LogisticRegression(),
        gaussian_process.GaussianProcessClassifier(),
        neighbors.KNeighborsClassifier(algorithm="ball_tree"),
        feature_selection.SelectKBest(k=1),
        FunctionTransformer(np.tanh),
    ]
    for model in models:
        found = looked(skops.io.dumps(model.fit(*table)))
        assert found.verdict == "passed", (model, found)
    sparse_model = neighbors.KNeighborsClassifier().fit(sparse.csr_matrix(table[0]), table[1])
    assert looked(skops.io.dumps(sparse_model)).verdict == "passed"


UNTRUSTED = [
    node("FunctionNode", "os", "system"),
    node("TypeNode", "builtins", "eval"),
    node("ObjectNode", "sklearn.datasets._base", "load_files"),
    node("ConstructorFromReduceNode", "scipy.sparse._csr", "csr_matrix", content={}),
    node("OperatorFuncNode", "operator", "methodcaller", attrs={}),
    node("PartialNode", "functools", "partial", content={}),
    node(
        "PartialNode",
        "functools",
        "partial",
        content={"func": node("FunctionNode", "numpy", "mean"), "args": {}, "kwds": {}},
    ),
    node(
        "PartialNode",
        "functools",
        "partial",
        content={"func": node("TypeNode", "sklearn.utils.validation", "check_array")},
    ),
    node("MethodNode", "sklearn.utils._bunch", "Bunch", content={"func": "clear", "obj": {}}),
    # On the list, but for another loader: a class is no function to call.
    node("FunctionNode", "sklearn.tree._tree", "Tree"),
    node("ConstructorFromReduceNode", "sklearn.tree._tree", "Tree", content={}),
    node("NoSuchNode", "builtins", "str"),
    node("CachedNode", "builtins", "str"),
]


@pytest.mark.parametrize("alien", UNTRUSTED, ids=lambda n: f"{n['__loader__']}-{n['__class__']}")
def test_a_type_that_is_not_listed_for_its_loader_is_refused_and_named(skops_bytes, alien):
    def hide(schema):
        schema["content"]["content"]["extra"] = alien

    found = looked(with_schema(skops_bytes, hide))
    assert (found.verdict, found.reason) == ("failed", "skops-untrusted-type")
    assert f"{alien['__module__']}." in found.evidence["untrusted_types"][0]


def test_boosting_on_categories_of_pandas_passes():
    import skops.io
    from sklearn import ensemble

    frame = pd.DataFrame({"a": range(20), "s": pd.Categorical(["x", "y"] * 10)})
    model = ensemble.HistGradientBoostingClassifier(max_iter=2, categorical_features="from_dtype")
    assert looked(skops.io.dumps(model.fit(frame, [0, 1] * 10))).verdict == "passed"


def test_types_are_found_wherever_they_stand(skops_bytes):
    alien = node("FunctionNode", "os", "system")
    for place in ([alien], {"a": {"b": [[alien]]}}, {"key_types": alien}):

        def hide(schema, place=place):
            schema["unknown"] = place

        assert looked(with_schema(skops_bytes, hide)).reason == "skops-untrusted-type"


MALFORMED = [
    lambda schema: [],
    lambda schema: {},
    lambda schema: schema.pop("__module__") and None,
    lambda schema: schema.update(__class__="a.b"),
    lambda schema: schema.update(__class__="system\n"),
    lambda schema: schema.update(__module__="os.path "),
    lambda schema: schema.update(__module__=None),
    lambda schema: schema.update(file="../../etc/passwd"),
    lambda schema: schema.update(file="schema.json"),
    lambda schema: schema.update(extra={"__class__": "str"}),
]


@pytest.mark.parametrize("change", MALFORMED)
def test_a_schema_that_skops_does_not_write_is_refused(skops_bytes, change):
    found = looked(with_schema(skops_bytes, change))
    assert (found.verdict, found.reason) == ("failed", "skops-schema-malformed")


@pytest.mark.parametrize("protocol", [0, 1, 3, True, "2", None, -1])
def test_another_protocol_is_refused(skops_bytes, protocol):
    found = looked(with_schema(skops_bytes, lambda schema: schema.update(protocol=protocol)))
    assert found.reason == "skops-protocol"


def test_deep_duplicate_or_foreign_json_is_refused(skops_bytes):
    for body in (b"[" * 5000 + b"]" * 5000, b'{"a":1,"a":2}', b"\xff", b"NaN", b""):
        members = unpacked(skops_bytes) | {"schema.json": body}
        assert looked(packed(members)).reason == "skops-schema-malformed"


def test_an_archive_without_schema_is_refused(skops_bytes):
    members = unpacked(skops_bytes)
    del members["schema.json"]
    assert looked(packed(members)).reason == "skops-no-schema"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/etc/passwd", "zip-unsafe-name"),
        ("../up.npy", "zip-unsafe-name"),
        ("a/b.npy", "zip-unsafe-name"),
        ("a\\b.npy", "zip-unsafe-name"),
        ("C:evil.npy", "zip-unsafe-name"),
        ("folder/", "zip-not-a-file"),
        ("evil.py", "zip-unexpected-member"),
        ("model.pkl", "zip-unexpected-member"),
    ],
)
def test_a_member_with_a_strange_name_is_refused(skops_bytes, name, reason):
    raw = packed({**unpacked(skops_bytes), name: b""})
    assert looked(raw).reason == reason


def test_a_link_is_refused(skops_bytes):
    link = zipfile.ZipInfo("123.bin")
    link.external_attr = 0xA1FF << 16
    assert (
        looked(packed([*unpacked(skops_bytes).items(), (link, "/etc")])).reason == "zip-not-a-file"
    )


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        (b"\x75\x70\x10\x00\x01\x00\x00\x00\x00schema.json", "zip-damaged"),
        (b"\x55\x54\x09", "zip-damaged"),
        (b"\x55\x54\x05\x00\x03abcd", ""),
    ],
    ids=["another name", "cut off", "a time"],
)
def test_extra_fields_say_nothing_else_of_a_member(skops_bytes, field, reason):
    members = dict(unpacked(skops_bytes))
    timed = zipfile.ZipInfo("schema.json")
    timed.extra = field
    others = [(name, body) for name, body in members.items() if name != "schema.json"]

    assert looked(packed([*others, (timed, members["schema.json"])])).reason == reason


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_duplicate_member_is_refused(skops_bytes):
    members = [*unpacked(skops_bytes).items(), ("schema.json", b"{}")]
    assert looked(packed(members)).reason == "zip-duplicate-member"


def test_an_encrypted_member_is_refused(skops_bytes):
    raw = bytearray(skops_bytes)
    raw[6] |= 1
    raw[raw.rindex(b"PK\x01\x02") + 8] |= 1
    assert looked(bytes(raw)).reason == "zip-encrypted"


def test_other_compressions_are_refused(skops_bytes):
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        assert looked(packed(unpacked(skops_bytes), method)).reason == "zip-compression"


def test_a_bomb_is_refused_without_unpacking_it(skops_bytes):
    members = {**unpacked(skops_bytes), "1.bin": bytes(50 << 20)}
    found = looked(packed(members, zipfile.ZIP_DEFLATED))
    assert found.reason == "zip-bomb"


def test_too_many_members_are_refused():
    raw = packed({f"{n}.bin": b"" for n in range(10_001)})
    assert looked(raw).reason == "zip-too-many-members"


def test_headers_that_disagree_with_the_directory_are_refused(skops_bytes):
    raw = bytearray(skops_bytes)
    raw[30] ^= 1  # the first letter of the first member's name, in its own header only
    assert looked(bytes(raw)).reason == "zip-headers-differ"


def test_bytes_before_between_or_behind_the_members_are_refused(skops_bytes):
    assert looked(b"x" + skops_bytes).reason in ("zip-damaged", "zip-headers-differ")
    assert looked(skops_bytes + b"x").reason == "truncated"
    assert looked(skops_bytes[:-22]).reason == "truncated"
    directory_at = struct.unpack("<L", skops_bytes[-6:-2])[0]
    hidden = skops_bytes[:directory_at] + b"hidden" + skops_bytes[directory_at:-6]
    moved = hidden + struct.pack("<L", directory_at + 6) + skops_bytes[-2:]
    assert looked(moved).reason == "zip-damaged"


def npy(array) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def array_header(header: str, data: bytes = b"") -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


PLAIN = npy(np.arange(3.0))
ARRAYS = [
    (npy(np.array([{}], dtype=object)), False),
    (PLAIN[:-1], False),
    (PLAIN + b"x", False),
    (array_header("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"), False),
    (array_header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }"), False),
    (array_header("{'descr': '<f8', 'fortran_order': False, 'shape': (True,), }", bytes(8)), False),
    (array_header("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", bytes(8)), False),
    (array_header("__import__('os').abort()"), False),
    (array_header("(" * 9000), False),
    (b"\x93NUMPY\x09\x00" + bytes(100), False),
    (b"", False),
    (PLAIN, True),
    (npy(np.zeros((0, 3))), True),
    (npy(np.array(1.5)), True),
    (npy(np.array(["a", "bc"])), True),
    (npy(np.zeros(2, dtype=[("a", "<f8"), ("b", "u1", (2,))])), True),
    (npy(np.array(["2026-01-31"], dtype="M8[us]")), True),
]


@pytest.mark.parametrize(("content", "is_good"), ARRAYS)
def test_an_array_has_to_be_as_long_as_its_header_says(skops_bytes, content, is_good):
    found = looked(packed({**unpacked(skops_bytes), "99.npy": content}))
    assert found.reason == ("" if is_good else "skops-array-malformed")


def test_the_arrays_of_a_sparse_matrix_are_held_to_the_same(skops_bytes):
    for inner, reason in (
        ({"data.npy": PLAIN}, ""),
        ({"data.npy": PLAIN[:-1]}, "skops-array-malformed"),
        ({"evil.pkl": b""}, "zip-unexpected-member"),
    ):
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raw = packed({**unpacked(skops_bytes), "9.npz": packed(inner)}, method)
            assert looked(raw).reason == reason


def test_the_list_of_types_names_nothing_that_runs_code():
    names = {name for listed in LISTED["nodes"].values() for name in listed}
    assert set(LISTED["types"]) <= {name.partition("(")[0] for name in names}
    partial = "functools.partial(sklearn.utils.validation.check_array)"
    assert [name for name in names if name.startswith("functools.")] == [partial]
    roots = {name.split(".")[0] for name in names - {partial}}
    assert roots <= {"builtins", "collections", "numpy", "scipy", "sklearn"}
    assert not any(name.startswith("scipy.stats") for name in names)
    callers = {"eval", "exec", "getattr", "compile", "open", "__import__", "load", "fromfile"}
    assert not {name.rsplit(".", 1)[1] for name in names} & callers
    assert "ConstructorFromReduceNode" not in LISTED["nodes"]

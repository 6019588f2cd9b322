"""What the gate passes over in a file is exactly what joblib reads from it as arrays."""

from __future__ import annotations

import io

import joblib
import numpy as np
import pytest
from joblib import numpy_pickle
from sklearn.linear_model import Ridge

from registry.scan import joblib_arrays, opcodes
from registry.scan.containers import pieces_of
from registry.scan.pickle_ledger import Ledger
from registry.scan.pickle_source import Source

RECORD = np.dtype([("a", "f8"), ("b", "i4"), ("c", "u1")], align=True)
ARRAYS = {
    "numbers": np.arange(7.0),
    "in Fortran's order": np.asfortranarray(np.arange(12).reshape(3, 4)),
    "a view that is not contiguous": np.arange(24.0).reshape(4, 6)[::2, ::3],
    "nothing": np.empty((0, 5)),
    "one number": np.array(3.5),
    "truth": np.array([True, False]),
    "complex": np.array([1j, 2]),
    "the other order of bytes": np.arange(5, dtype=">f4"),
    "texts": np.array(["a", "bcd"]),
    "bytes": np.array([b"a", b"bcd"]),
    "times": np.array(["2024-01-01", "NaT"], dtype="M8[s]"),
    "records": np.zeros(3, RECORD),
    "bytes without meaning": np.zeros(3, "V5"),
    "objects": np.array(["a", None, 3.5], dtype=object),
    "objects in two dimensions": np.array([["a", 1], ["b", 2]], dtype=object),
    "opcodes": np.frombuffer(b"cposix\nsystem\n(S'true'\ntR." * 3, dtype="u1"),
    "large": np.zeros(200_000),
}


def saved(value, protocol: int) -> bytes:
    out = io.BytesIO()
    joblib.dump(Ridge().set_params(alpha=[value, value, "behind"]), out, protocol=protocol)
    return out.getvalue()


def places_of_the_gate(content: bytes, monkeypatch) -> list[tuple[int, int]]:
    """Where the gate leaves the opcodes and comes back, from its own reads."""
    places = []
    real = joblib_arrays.pass_over

    def watched(source, found):
        before = source.offset
        real(source, found)
        places.append((before, source.offset))

    monkeypatch.setattr("registry.scan.machine.pass_over", watched)
    source = Source(pieces_of(io.BytesIO(content), len(content), "raw"))
    opcodes.read_pickle(source, Ledger())
    assert source.is_over()
    return places


def places_of_joblib(content: bytes, monkeypatch) -> list[tuple[int, int]]:
    places = []
    real = numpy_pickle.NumpyArrayWrapper.read

    def watched(self, unpickler, ensure_native_byte_order):
        before = unpickler.file_handle.tell()
        array = real(self, unpickler, ensure_native_byte_order)
        if not array.dtype.hasobject:
            places.append((before, unpickler.file_handle.tell()))
        return array

    monkeypatch.setattr(numpy_pickle.NumpyArrayWrapper, "read", watched)
    numpy_pickle.NumpyUnpickler("", io.BytesIO(content), ensure_native_byte_order=True).load()
    return places


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", ARRAYS)
def test_gate_and_joblib_leave_the_opcodes_at_the_same_places(name, protocol, monkeypatch):
    content = saved(ARRAYS[name], protocol)
    places = places_of_the_gate(content, monkeypatch)
    assert places == places_of_joblib(content, monkeypatch)
    assert len(places) == (0 if ARRAYS[name].dtype.hasobject else 2)

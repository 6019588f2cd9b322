"""The example rows of a version: the signature is found by them, and they have to fit it."""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import replace

import pyarrow as pa

from registry import storage
from registry.errors import CheckRefused, InvalidField
from registry.models import ModelVersion
from registry.signature.facts import ModelFacts
from registry.signature.infer import Inferred, Note, check_declared, infer
from registry.signature.types import Signature
from registry.signature.validate import Validated, validate_columns
from registry.tabular import TabularError, read_table
from serving.actions.brought import FORMAT, NOTHING, Brought
from serving.actions.example_answers import EXAMPLE_MAX_BYTES


class ExampleRows:
    """What was sent along with one version, or what its file brings where nothing was sent.

    ``table`` is None before it is read, or without one.
    """

    def __init__(self, version: ModelVersion, brought: Brought = NOTHING) -> None:
        self.version = version
        self.table: pa.Table | None = None
        self._brought = replace(
            brought,
            signature=None if version.declared_signature is not None else brought.signature,
            example=None if version.example_sha256 else brought.example,
        )

    def signature(self, facts: ModelFacts) -> Inferred:
        """The declared or inferred signature; ``table`` then has its types.

        Text files are read twice: what looks like a number may be a text to the model, such as
        a postal code. Raises CheckRefused, InvalidField and TabularError.
        """
        *attempts, last = self._brought.attempts()
        for attempt in attempts:
            with suppress(CheckRefused, InvalidField, TabularError):
                found = self._found(facts, attempt)
                self.validated(found.signature)
                return found
        return self._found(facts, last)

    def _found(self, facts: ModelFacts, brought: Brought) -> Inferred:
        self._brought = brought
        found = self._sent_or_brought(facts)
        notes = tuple(Note(text) for text in brought.notes)
        return replace(found, notes=(*found.notes, *notes))

    def _sent_or_brought(self, facts: ModelFacts) -> Inferred:
        declared = self._brought.signature
        if self.version.declared_signature is not None:
            declared = Signature.from_json(self.version.declared_signature)
        if declared is not None:
            self.table = self._read(declared)
            return check_declared(declared, facts, self.table)
        is_typed = self.version.example_format == "parquet"
        self.table = self._read()
        found = infer(facts, self.table, is_typed)
        if not is_typed:
            self.table = self._read(found.signature)
        return found

    def validated(self, signature: Signature) -> Validated | None:
        """The rows as the model takes them, None without an example.

        Raises CheckRefused where a row does not fit, or there is none.
        """
        if self.table is None:
            return None
        names = [column.name for column in signature.inputs]
        known = set(self.table.column_names)
        columns = {name: self.table.column(name) for name in names if name in known}
        validated = validate_columns(signature, columns)
        if validated.problem_count:
            raise CheckRefused(
                "example-does-not-fit",
                f"{validated.n_rows - validated.batch.num_rows} of {validated.n_rows} example rows "
                "do not fit the signature.",
                validated.problems,
                error_count=validated.problem_count,
            )
        if validated.n_rows == 0:
            raise CheckRefused("example-is-empty", "The example file has no rows.")
        return validated

    def _read(self, signature: Signature | None = None) -> pa.Table | None:
        columns = signature.inputs if signature else None
        if self._brought.example is not None:
            rows = io.BytesIO(self._brought.example)
            return read_table(rows, FORMAT, columns=columns, max_bytes=EXAMPLE_MAX_BYTES)
        if not self.version.example_sha256:
            return None
        with storage.open_verified(self.version.example_sha256) as file:
            return read_table(
                file, self.version.example_format, columns=columns, max_bytes=EXAMPLE_MAX_BYTES
            )

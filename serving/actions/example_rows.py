"""The example rows of a version: the signature is found by them, and they have to fit it."""

from __future__ import annotations

import pyarrow as pa

from registry import storage
from registry.errors import CheckRefused
from registry.models import ModelVersion
from registry.signature.facts import ModelFacts
from registry.signature.infer import Inferred, check_declared, infer
from registry.signature.types import Signature
from registry.signature.validate import Validated, validate_columns
from registry.tabular import read_table
from serving.actions.example_answers import EXAMPLE_MAX_BYTES


class ExampleRows:
    """What was sent along with one version; ``table`` is None before it is read, or without one."""

    def __init__(self, version: ModelVersion) -> None:
        self.version = version
        self.table: pa.Table | None = None

    def signature(self, facts: ModelFacts) -> Inferred:
        """The declared or inferred signature; ``table`` then has its types.

        Text files are read twice: what looks like a number may be a text to the model, such as
        a postal code. Raises CheckRefused, InvalidField and TabularError.
        """
        if self.version.declared_signature is not None:
            declared = Signature.from_json(self.version.declared_signature)
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
        if not self.version.example_sha256:
            return None
        with storage.open_verified(self.version.example_sha256) as file:
            return read_table(
                file,
                self.version.example_format,
                columns=signature.inputs if signature else None,
                max_bytes=EXAMPLE_MAX_BYTES,
            )

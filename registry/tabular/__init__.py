"""Plain: tables as files: streaming readers and writers, the typed Parquet form, the profile."""

from registry.tabular.csv_declared import CsvCells, read_csv_cells
from registry.tabular.errors import REASONS, TabularError
from registry.tabular.formats import (
    FORMATS,
    detect,
    format_of_media_type,
    reader_of,
    write_chunks,
)
from registry.tabular.ingest import Ingested, to_parquet, to_parts
from registry.tabular.profile import Profiler
from registry.tabular.read import infer_columns, read_batches, read_table
from registry.tabular.write import (
    arrow_chunks,
    csv_chunks,
    jsonl_chunks,
    parquet_chunks,
    write_arrow,
    write_csv,
    write_jsonl,
    write_parquet,
)

__all__ = [
    "FORMATS",
    "REASONS",
    "CsvCells",
    "Ingested",
    "Profiler",
    "TabularError",
    "arrow_chunks",
    "csv_chunks",
    "detect",
    "format_of_media_type",
    "infer_columns",
    "jsonl_chunks",
    "parquet_chunks",
    "read_batches",
    "read_csv_cells",
    "read_table",
    "reader_of",
    "to_parquet",
    "to_parts",
    "write_arrow",
    "write_chunks",
    "write_csv",
    "write_jsonl",
    "write_parquet",
]

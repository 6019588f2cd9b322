"""Plain: rows out of databases elsewhere and into them, as Arrow, through ADBC."""

from registry.sql.place import Place, checked_address, place_of
from registry.sql.query import bare
from registry.sql.read import read_query, reader_of_query
from registry.sql.sessions import DRIVERS
from registry.sql.tables import checked_table
from registry.sql.trial import may_write, try_reading
from registry.sql.write import ChunkIdentity, SinkFenced, write_chunk

__all__ = [
    "DRIVERS",
    "ChunkIdentity",
    "Place",
    "SinkFenced",
    "bare",
    "checked_address",
    "checked_table",
    "may_write",
    "place_of",
    "read_query",
    "reader_of_query",
    "try_reading",
    "write_chunk",
]

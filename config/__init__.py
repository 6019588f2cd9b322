"""Wires the two buildings together; nobody imports it."""

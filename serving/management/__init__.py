"""Doors of the shell."""

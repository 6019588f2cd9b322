"""Measurements, each a ratio to something run beside it in the same minute."""

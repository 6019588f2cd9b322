"""Servers that others would put up for the same models, each in an environment of its own."""

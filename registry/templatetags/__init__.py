"""Doors: what the templates of both buildings share."""

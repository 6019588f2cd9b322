"""Doors: what people fill in. A form reads text; the actions decide what it is worth."""

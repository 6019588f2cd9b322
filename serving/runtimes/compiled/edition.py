"""Plain: which converters and which comparison a verdict on a compiled graph is of."""

from __future__ import annotations

# Goes up whenever a converter may make another graph of the same model, or the comparison asks
# for more. Versions of an earlier edition keep their graphs until they are compiled again.
COMPILE_EDITION = "1"

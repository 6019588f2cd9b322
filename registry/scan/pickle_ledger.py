"""Plain: what one look at a pickle counts and keeps, nested pickles included."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from registry.scan.finding import Refused, shown
from registry.scan.pickle_list import kind_of, spelled_today, vocabulary
from registry.scan.pickle_remedies import remedy_for
from registry.scan.pickle_values import (
    DISTRIBUTION_TEXT,
    HIDDEN,
    TEXT,
    Args,
    Box,
    Long,
    Made,
    Ref,
    is_distribution_text,
)

OPCODES_MAX = 60_000_000
KEPT_TEXTS_MAX = 50_000
KEPT_TEXT_BYTES = 200
# One unit is about what a small object of Python takes, 64 bytes.
HELD_UNITS_MAX = 500_000
# Values in values: how deep, and how many if every one is counted each time that it is held. What
# goes through a model later goes through all of them: few places can hold each other for ever.
DEPTH_MAX = 1_000
EXTENT_MAX = 100_000_000
# The hash of an object by where it is, for tuples that would hash all that they hold; ``id`` itself
# is an audited event.
_identity = object.__hash__
_VERSION = re.compile(r"\d+\.\d+[0-9a-z.+]{0,20}")


class Ledger:
    """Counts, known texts and known globals of one look."""

    def __init__(self) -> None:
        self.texts: dict[bytes, str] = vocabulary().copy()
        self._texts_max = len(self.texts) + KEPT_TEXTS_MAX
        self.globals: Counter[str] = Counter()
        self._refs: dict[tuple[str, str], Ref] = {}
        self.versions: set[str] = set()
        self.opcodes = self.arrays = self.array_bytes = 0
        self._held = 0
        self._tuples: dict[int, tuple[Any, int, int]] = {}

    def text(self, raw: bytes, protocol: int) -> Any:
        """The text of these bytes of UTF-8: itself where it is short and there are not too many."""
        text = raw.decode("utf-8", "surrogatepass")
        if len(raw) <= KEPT_TEXT_BYTES:
            if len(self.texts) < self._texts_max:
                self.texts[raw] = text
                return text
        elif is_distribution_text(raw):
            return DISTRIBUTION_TEXT
        if protocol == 2:  # where bytes are written as text, and their number matters
            self.hold(1)
            return Long("latin1" if all(char < "\u0100" for char in text) else "text", len(text))
        return HIDDEN if text.startswith("__") else TEXT

    def ref(self, module: Any, name: Any, protocol: int) -> Ref:
        """The listed global of this name; raises Refused with the remedy for one that is not."""
        if type(module) is not str or type(name) is not str:
            found = "A global is named by something else than two short texts"
            raise Refused("pickle-global-not-literal", found)
        module, name = spelled_today(module, name, protocol)
        ref = self._refs.get((module, name)) or self._listed(module, name)
        self.globals[ref.full] += 1
        return ref

    def _listed(self, module: str, name: str) -> Ref:
        kind = kind_of(module, name)
        if kind is None:
            full = shown(f"{module}.{name}", 160)
            found = f"The file names {full}, which is not on the list of what models are made of"
            remedy = remedy_for(f"{module}.{name}")
            raise Refused("pickle-untrusted-global", found, remedy=remedy, **{"global": full})
        ref = self._refs[module, name] = Ref(module, name, kind)
        return ref

    def hold(self, units: int) -> None:
        """Count what stays in memory; raises Refused at the limit."""
        self._held += units
        if self._held > HELD_UNITS_MAX:
            found = "The pickle has more objects than are looked at"
            raise Refused("pickle-limit", found, limit="objects")

    def extent_of(self, value: Any) -> tuple[int, int]:
        """How deep values lie in ``value``, and how many there are; (0, 1) for a plain one."""
        kind = type(value)
        if kind is Box or kind is Made:
            if kind is Made and value.kind == "dtype":  # nobody looks into them
                return 0, 1
            return value.depth, value.extent
        if kind is tuple or kind is Args:
            known = self._tuples.get(_identity(value))
            return known[1:] if known else (1, len(value))
        return 0, 1

    def check_extent(self, depth: int, extent: int) -> None:
        """Raises Refused where values lie too deep in each other, or are too many."""
        if depth > DEPTH_MAX:
            raise Refused("pickle-limit", "Values lie too deep in each other", limit="depth")
        if extent > EXTENT_MAX:
            raise Refused("pickle-limit", "Values hold each other too often", limit="extent")

    def nested_tuple(self, made: Any, depth: int, extent: int) -> None:
        """Keep the extent of a tuple with others in it; the tuple is kept, so is its identity."""
        self.hold(3)
        self._tuples[_identity(made)] = (made, depth, extent)

    def array(self, size_bytes: int) -> None:
        """Count an array."""
        self.arrays += 1
        self.array_bytes += size_bytes

    def version(self, value: Any) -> None:
        """Keep a version of scikit-learn that an estimator's state names."""
        if type(value) is str and _VERSION.fullmatch(value) and len(self.versions) < 10:
            self.versions.add(value)

    def facts(self) -> dict[str, Any]:
        """The evidence, as far as the look came."""
        trained = {"scikit-learn": ", ".join(sorted(self.versions))} if self.versions else {}
        return {
            "globals": dict(sorted(self.globals.items())),
            "opcodes": self.opcodes,
            "arrays": self.arrays,
            "array_bytes": self.array_bytes,
            "trained_with": trained,
        }

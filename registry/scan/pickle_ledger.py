"""Plain: what one look at a pickle counts and keeps, nested pickles included."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from registry.scan.finding import Refused, shown
from registry.scan.pickle_list import kind_of, spelled_today, vocabulary
from registry.scan.pickle_remedies import remedy_for
from registry.scan.pickle_values import HIDDEN, TEXT, Long, Ref

OPCODES_MAX = 60_000_000
KEPT_TEXTS_MAX = 50_000
KEPT_TEXT_BYTES = 200
# One unit is about what a small object of Python takes, 64 bytes.
HELD_UNITS_MAX = 500_000
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

    def text(self, raw: bytes, protocol: int) -> Any:
        """The text of these bytes of UTF-8: itself where it is short and there are not too many."""
        text = raw.decode("utf-8", "surrogatepass")
        if len(raw) <= KEPT_TEXT_BYTES and len(self.texts) < self._texts_max:
            self.texts[raw] = text
            return text
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

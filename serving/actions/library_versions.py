"""Models that another version of scikit-learn has saved: what is said, and what decides.

scikit-learn promises nothing across minor versions: most such models load and answer alike, some
raise, and some answer otherwise without a word. So the answers decide: a model of another minor
version is taken only where its answers to the example rows were held against the trainer's.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.errors import CheckRefused
from registry.signature.facts import ModelFacts

LIBRARY = "scikit-learn"
# What the runtime calls the version of the trainer, which it only tells where it differs.
_FACT = "trained-with"


@dataclass(frozen=True, slots=True)
class TrainedWith:
    """Another version of scikit-learn than this server's; ``is_far``: not merely another patch."""

    theirs: str
    ours: str

    @property
    def is_far(self) -> bool:
        """Whether the minor version differs."""
        return _minor(self.theirs) != _minor(self.ours)

    @property
    def told(self) -> str:
        """Both versions in a sentence."""
        return (
            f"The model was saved by {LIBRARY} {self.theirs}, this server has {LIBRARY} "
            f"{self.ours}."
        )

    @property
    def ways_out(self) -> str:
        """What somebody can do about it."""
        return (
            f"Ways out: `pip install {LIBRARY}=={self.theirs}` on the server; fit the model again "
            f"with {LIBRARY} {self.ours}; or export it to ONNX."
        )

    def evidence(self) -> dict[str, Any]:
        """Both versions as evidence."""
        return {"trained_with": {LIBRARY: self.theirs}, "server_has": {LIBRARY: self.ours}}

    def blamed_for(self, refusal: CheckRefused) -> CheckRefused:
        """The same refusal with what is the likeliest cause."""
        text = f"{str(refusal).rstrip()} {self.told} {self.ways_out}"
        evidence = {**refusal.evidence, **self.evidence()}
        return CheckRefused(refusal.reason, text, refusal.problems, **evidence)

    def uncompared(self) -> CheckRefused:
        """The refusal where no answers of the trainer were there to compare with."""
        return CheckRefused(
            "trained-with-other-version",
            f"{self.told} Models of another minor version may answer otherwise, and there are no "
            f"answers of the trainer to hold it against. {self.ways_out} Or send example rows with "
            "the trainer's answers (“expected”; the Python client sends them by itself): where "
            "they agree, the model is taken.",
            **self.evidence(),
        )


def other_version(
    scanned: Mapping[str, Any], facts: ModelFacts | None = None
) -> TrainedWith | None:
    """What the scan's evidence or the loaded object say of another version; None for ours."""
    told = scanned.get("trained_with")
    found = told.get(LIBRARY) if isinstance(told, Mapping) else None
    libraries = facts.libraries if facts else {}
    theirs = libraries.get(_FACT) or found
    ours = libraries.get(LIBRARY) or _installed()
    if not theirs or not ours or str(theirs) == ours:
        return None
    return TrainedWith(str(theirs), ours)


def _installed() -> str:
    try:
        return importlib.metadata.version(LIBRARY)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _minor(version: str) -> tuple[str, ...]:
    return tuple(version.split(".")[:2])

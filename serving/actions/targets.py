"""From a ref to what is scored with: a ready version as a plain value, with its rights checked."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import lru_cache

from registry import roles
from registry.errors import AliasNotFound, VersionNotFound, VersionNotReady
from registry.models import ModelVersion, RegisteredModel
from registry.models.alias import CHAMPION
from registry.models.model_version import Engine
from registry.principals import Principal, find_model, require
from registry.signature.facts import ModelFacts
from registry.signature.types import Signature
from serving.refs import Ref, parse_ref
from serving.runtimes.isolation.client import ModelSpec


@dataclass(frozen=True)
class Target:
    """A ready version, detached from the database: all that scoring needs to know of it."""

    model: str
    number: int
    version_id: uuid.UUID
    sha256: str
    format: str
    runtime: str
    golden_sha256: str
    hides_cells: bool
    signature: Signature
    facts: ModelFacts
    compiled_sha256: str = ""

    @property
    def spec(self) -> ModelSpec:
        """What the model host is asked for; one process serves each key."""
        return ModelSpec(
            key=str(self.version_id),
            format=self.format,
            runtime=self.runtime,
            sha256=self.sha256,
        )

    @classmethod
    def of(cls, version: ModelVersion) -> Target:
        """The target for a version that can be served. Raises VersionNotReady, ...NotServable."""
        version.require_servable()
        signature, facts = _parsed(version.pk)
        return cls(
            model=version.model.name,
            number=version.number,
            version_id=version.pk,
            sha256=version.artifact.sha256,
            format=version.format,
            runtime=version.runtime,
            golden_sha256=version.golden_sha256,
            hides_cells=version.model.hides_cells,
            signature=signature,
            facts=facts,
            compiled_sha256=version.compiled_sha256 if version.engine == Engine.COMPILED else "",
        )


@dataclass(frozen=True)
class Resolution:
    """Where a ref leads: the versions that answer, with their weights, and those that look on.

    ``weights`` add to 100. ``mirrors`` get a copy of each request and answer nobody.
    ``capture_percent`` of the requests are kept as records.
    """

    targets: tuple[Target, ...]
    weights: tuple[int, ...] = (100,)
    mirrors: tuple[Target, ...] = ()
    capture_percent: int = 0

    @property
    def is_watched(self) -> bool:
        """Whether something happens after an answer."""
        return bool(self.mirrors or self.capture_percent)

    def pick(self, key: str) -> Target:
        """The version that answers a request with this key; the same one for the same key."""
        del key
        return self.targets[0]


def find_version(principal: Principal, name: str, number: int) -> ModelVersion:
    """Version ``number`` of a model. Raises ModelNotFound, VersionNotFound."""
    return version_of(find_model(principal, name), number)


def version_of(model: RegisteredModel, number: int) -> ModelVersion:
    """Version ``number`` of a model that was found already. Raises VersionNotFound."""
    version = model.versions.select_related("artifact").filter(number=number).first()
    if version is None:
        raise VersionNotFound(f"“{model.name}” has no version {number}.")
    version.model = model
    return version


def called_version(principal: Principal, ref: str | Ref) -> ModelVersion:
    """The version that a ref leads to now, whatever its status.

    Raises InvalidField, ModelNotFound, AliasNotFound, and VersionNotReady for a bare name
    without a champion.
    """
    ref = parse_ref(ref) if isinstance(ref, str) else ref
    model = find_model(principal, ref.name)
    alias = (
        model.aliases.select_related("version__artifact").filter(name=ref.alias or CHAMPION).first()
    )
    if alias is not None:
        alias.version.model = model
        return alias.version
    if ref.alias is not None:
        raise AliasNotFound(f"“{model.name}” has no alias “{ref.alias}”.")
    raise VersionNotReady(f"“{model.name}” has no champion yet: name a version or an alias.")


def resolve(principal: Principal, ref: str) -> Resolution:
    """What a ref calls, for somebody who may score with it."""
    return _servable(principal, called_version(principal, ref))


def resolve_version(principal: Principal, name: str, number: int) -> Resolution:
    """One version by its number, for somebody who may score with it."""
    return _servable(principal, find_version(principal, name, number))


def _servable(principal: Principal, version: ModelVersion) -> Resolution:
    require(principal, roles.SCORER, version.model)
    return Resolution((Target.of(version),), capture_percent=version.model.capture_percent)


@lru_cache(maxsize=2048)
def _parsed(version_id: uuid.UUID) -> tuple[Signature, ModelFacts]:
    """A ready version never changes, so its signature is parsed once in a process."""
    version = ModelVersion.objects.only("signature", "facts").get(pk=version_id)
    return version.parsed_signature, version.parsed_facts

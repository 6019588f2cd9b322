"""From a ref to what is scored with: a ready version as a plain value, with its rights checked."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from registry import roles
from registry.errors import (
    AliasNotFound,
    DomainError,
    VersionNotFound,
    VersionNotReady,
    VersionNotServable,
)
from registry.models import ModelVersion, RegisteredModel
from registry.models.alias import CHAMPION
from registry.models.model_version import Engine
from registry.principals import Principal, find_model, require
from registry.signature.facts import ModelFacts
from registry.signature.types import Signature, shared
from serving.models import RouteTarget
from serving.refs import Ref, parse_ref
from serving.runtimes.isolation.client import ModelSpec
from serving.shares import Shares


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

    ``weights`` add to 100, or to less where a target of the route cannot be served: the others
    then share its part by their own weights. ``names`` are what the targets are called in the
    route, which decide who gets which key: an alias that moves keeps its callers. ``mirrors`` get
    a copy of each request and answer nobody. ``capture_percent`` of the requests are kept as
    records.
    """

    targets: tuple[Target, ...]
    weights: tuple[int, ...] = (100,)
    mirrors: tuple[Target, ...] = ()
    capture_percent: int = 0
    names: tuple[str, ...] = ()

    @property
    def is_watched(self) -> bool:
        """Whether something happens after an answer."""
        return bool(self.mirrors or self.capture_percent)

    def pick(self, key: str) -> Target:
        """The version that answers a request with this key; the same one for the same key."""
        targets = self.targets
        return targets[0] if len(targets) == 1 else targets[self._shares.pick(key)]

    @cached_property
    def _shares(self) -> Shares:
        names = self.names or tuple(str(target.number) for target in self.targets)
        return Shares(self.targets[0].model, names, self.weights)


def facts_of(version_id: uuid.UUID) -> ModelFacts:
    """The facts of a version that was served; read once in a process."""
    return _parsed(version_id)[1]


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
    """The one version that a ref leads to now, whatever its status.

    What can have one version only (a batch job, a schedule's run, a description) takes this: for
    a bare name the champion, and without one the heaviest target of the model's route. Raises
    InvalidField, ModelNotFound, AliasNotFound, and VersionNotReady where there is neither.
    """
    ref = parse_ref(ref) if isinstance(ref, str) else ref
    model = find_model(principal, ref.name)
    if ref.alias is not None:
        return pointed_to(model, ref.alias)
    try:
        return pointed_to(model, CHAMPION)
    except AliasNotFound:
        heaviest = RouteTarget.objects.of(model).order_by("-weight", "place").first()
    if heaviest is None:
        if model.archived_at is not None:
            raise VersionNotServable(f"The model “{model}” is archived.")
        raise VersionNotReady(
            f"“{model.name}” has no champion yet: name a version or an alias."
        ) from None
    return version_in_route(model, heaviest)


def version_in_route(model: RegisteredModel, target: RouteTarget) -> ModelVersion:
    """The version that a target of the model's route means now. Raises AliasNotFound."""
    if target.version is None:
        return pointed_to(model, target.alias)
    target.version.model = model
    return target.version


def resolve(principal: Principal, ref: str) -> Resolution:
    """What a ref calls, for somebody who may score with it: a bare name its route, if it has one.

    A target of a route that cannot be served now leaves its part to the others. Raises what
    ``called_version`` raises, NotAllowed, VersionNotReady and VersionNotServable.
    """
    parsed = parse_ref(ref)
    if parsed.alias is None:
        model = find_model(principal, parsed.name)
        entries = list(RouteTarget.objects.of(model))
        if entries:
            require(principal, roles.SCORER, model)
            return _routed(model, entries)
    return _servable(principal, called_version(principal, parsed))


def resolve_version(principal: Principal, name: str, number: int) -> Resolution:
    """One version by its number, for somebody who may score with it."""
    return _servable(principal, find_version(principal, name, number))


def _routed(model: RegisteredModel, entries: list[RouteTarget]) -> Resolution:
    refusals: list[DomainError] = []
    found = list(_targets(model, entries, refusals))
    answering = [(entry, target) for entry, target in found if entry.weight]
    if not answering:
        raise refusals[0]  # the weights of a route add to 100: somebody was to answer
    return Resolution(
        targets=tuple(target for _, target in answering),
        weights=tuple(entry.weight for entry, _ in answering),
        names=tuple(entry.name for entry, _ in answering),
        mirrors=tuple(target for entry, target in found if entry.is_mirror),
        capture_percent=model.capture_percent,
    )


def _targets(
    model: RegisteredModel, entries: list[RouteTarget], refusals: list[DomainError]
) -> Iterator[tuple[RouteTarget, Target]]:
    """The entries that can be served; why the others cannot is added to ``refusals``."""
    for entry in entries:
        try:
            yield entry, Target.of(version_in_route(model, entry))
        except (AliasNotFound, VersionNotReady, VersionNotServable) as refusal:
            if entry.weight:
                refusals.append(refusal)


def pointed_to(model: RegisteredModel, alias: str) -> ModelVersion:
    """The version of a model that was found already. Raises AliasNotFound."""
    row = model.aliases.select_related("version__artifact").filter(name=alias).first()
    if row is None:
        raise AliasNotFound(f"“{model.name}” has no alias “{alias}”.")
    row.version.model = model
    return row.version


def _servable(principal: Principal, version: ModelVersion) -> Resolution:
    require(principal, roles.SCORER, version.model)
    return Resolution((Target.of(version),), capture_percent=version.model.capture_percent)


@lru_cache(maxsize=2048)
def _parsed(version_id: uuid.UUID) -> tuple[Signature, ModelFacts]:
    """A ready version never changes, so its signature is parsed once in a process."""
    version = ModelVersion.objects.only("signature", "facts").get(pk=version_id)
    return shared(version.parsed_signature), version.parsed_facts

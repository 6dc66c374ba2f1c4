"""What a build will do, as data with a reason per step. Pure: changes nothing, reads nothing.

A layer's key is the hash of everything that goes into it: the layer below, the edits, and the version of the
code that applies them. Same key, same content; so a layer that is in the store is never made again.
"""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from imagesmith.model.edit import Edit, digest_of
from imagesmith.model.manifest import LayerRecord

APPLY_VERSION = 1
"""Raise when the way edits are applied changes what they produce: old layers are then not used again."""

PUBLISH_VERSION = 1
"""Raise when publishing changes what it produces from the same layers."""


class Action(StrEnum):
    """What happens to a layer or to the publication."""

    MAKE = "make"
    REUSE = "reuse"


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """A layer somebody asks for: its name, why it exists, what it changes."""

    name: str
    purpose: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class LayerStep:
    """One layer of the plan."""

    name: str
    key: str
    parent_key: str | None
    """None: the base itself is below."""
    edits: tuple[Edit, ...]
    action: Action
    reason: str

    def record(self, purpose: str) -> LayerRecord:
        """Return what the manifest says of it; the action is this run's business and is left out."""
        return LayerRecord(name=self.name, key=self.key, reason=purpose)


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """The whole build."""

    base_sha256: str
    layers: tuple[LayerStep, ...]
    records: tuple[LayerRecord, ...]
    publication: Action
    publication_reason: str
    publication_key: str

    def lines(self) -> list[str]:
        """Return the plan as people read it, one line a step."""
        rows = [f"base      use    {self.base_sha256[:12]}"]
        rows += [f"{s.name:<9} {s.action:<6} {s.key[:12]}  {s.reason}" for s in self.layers]
        rows.append(
            f"{'publish':<9} {self.publication:<6} {self.publication_key[:12]}  {self.publication_reason}"
        )
        return rows


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def plan_build(
    base_sha256: str,
    layers: Sequence[LayerSpec],
    *,
    recipe_digest: str,
    stored: Collection[str],
    published_key: str | None,
) -> BuildPlan:
    """Return the plan.

    Args:
        base_sha256: digest of the base image, the ground of every key.
        layers: bottom to top.
        recipe_digest: goes into the publication, whose manifest shows the recipe.
        stored: keys of the layers the store holds.
        published_key: publication key of what lies in the output folder, None for nothing usable.
    """
    steps: list[LayerStep] = []
    below: str | None = None
    ground = base_sha256
    for spec in layers:
        key = _key("layer", str(APPLY_VERSION), ground, spec.name, digest_of(spec.edits))
        if key in stored:
            action, reason = Action.REUSE, "same inputs as a layer in the store"
        elif steps and steps[-1].action is Action.MAKE:
            action, reason = Action.MAKE, f"{spec.purpose}; the layer below is new"
        else:
            action, reason = Action.MAKE, f"{spec.purpose}; no layer with these inputs"
        steps.append(LayerStep(spec.name, key, below, spec.edits, action, reason))
        below = ground = key
    publication_key = _key("publish", str(PUBLISH_VERSION), ground, recipe_digest)
    if publication_key == published_key:
        publication, why = Action.REUSE, "the published image is this one"
    elif published_key is None:
        publication, why = Action.MAKE, "nothing published yet"
    else:
        publication, why = Action.MAKE, "the published image has other inputs"
    return BuildPlan(
        base_sha256=base_sha256,
        layers=_only_what_is_needed(steps, publication),
        records=tuple(step.record(spec.purpose) for step, spec in zip(steps, layers, strict=True)),
        publication=publication,
        publication_reason=why,
        publication_key=publication_key,
    )


def _only_what_is_needed(steps: Sequence[LayerStep], publication: Action) -> tuple[LayerStep, ...]:
    # A cleared store under a finished image is no reason to build anything again.
    if publication is Action.MAKE:
        return tuple(steps)
    return tuple(
        LayerStep(s.name, s.key, s.parent_key, s.edits, Action.REUSE, "in the published image") for s in steps
    )

"""Carries a build plan out: the only room that changes an image. Nothing is published before all is well."""

from collections.abc import Callable, Sequence
from pathlib import Path

from imagesmith.build.plan import Action, BuildPlan
from imagesmith.build.publish import BaseImage, Publication, publish
from imagesmith.build.store import LayerStore
from imagesmith.host.appliance import apply_edits
from imagesmith.model.layout import APP_NUMBER
from imagesmith.model.manifest import Manifest

Say = Callable[[str], None]


def make_layers(plan: BuildPlan, base: BaseImage, store: LayerStore, *, built_at_s: int, say: Say) -> Path:
    """Make the layers that are missing, bottom to top.

    Returns:
        The topmost layer's file.

    Raises:
        HostNotReadyError: the appliance cannot run.
        BuildError: a layer failed; those below it are kept for the next build.
    """
    below, below_format = base.path, "raw"
    for step in plan.layers:
        if step.action is Action.MAKE:
            say(f"layer {step.name}: {step.reason}")
            with store.new_layer(step.key, below=below, below_format=below_format) as (disk, scratch):
                apply_edits(disk, step.edits, partition=APP_NUMBER, mtime_s=built_at_s, scratch=scratch)
        else:
            say(f"layer {step.name}: reused, {step.reason}")
        below, below_format = store.path(step.key), "qcow2"
    return below


def execute(
    plan: BuildPlan,
    base: BaseImage,
    store: LayerStore,
    publication: Publication,
    *,
    check: Callable[[Path, Manifest], Sequence[str]],
    say: Say,
) -> Manifest:
    """Make what the plan says and publish it.

    Args:
        plan: as `plan_build` returned it, with a publication to make.
        base: the inspected base.
        store: where layers are kept.
        publication: where to and under which name.
        check: called with the finished image before it is published; what it finds wrong stops the build.
        say: told of every step.

    Raises:
        BuildError: a step failed; nothing was published.
    """
    with store.locked():
        top = make_layers(plan, base, store, built_at_s=publication.built_at_s, say=say)
        return publish(plan, base, top, publication, check=check, say=say)

from imagesmith.build.plan import Action, BuildPlan, LayerSpec, plan_build
from imagesmith.model.edit import PutFile

BASE = "b" * 64
SYSTEM = LayerSpec("system", "agent and overlays", (PutFile("/usr/lib/x", b"1"),))


def thin(content: bytes = b"UTC") -> LayerSpec:
    return LayerSpec("recipe", "values for the agent", (PutFile("/etc/imagesmith/cluster.json", content),))


def plan(
    *layers: LayerSpec, stored: tuple[str, ...] = (), published: str | None = None, base: str = BASE
) -> BuildPlan:
    return plan_build(base, layers, recipe_digest="r" * 64, stored=stored, published_key=published)


def actions(made: BuildPlan) -> list[Action]:
    return [step.action for step in made.layers]


def test_a_first_build_makes_every_layer_and_publishes() -> None:
    made = plan(SYSTEM, thin())

    assert [Action.MAKE, Action.MAKE] == actions(made)
    assert Action.MAKE is made.publication
    assert "agent and overlays; no layer with these inputs" == made.layers[0].reason
    assert (None, made.layers[0].key) == (made.layers[0].parent_key, made.layers[1].parent_key)


def test_a_value_that_only_the_agent_reads_costs_one_thin_layer() -> None:
    before = plan(SYSTEM, thin())
    keys = tuple(step.key for step in before.layers)
    after = plan(SYSTEM, thin(b"Europe/Paris"), stored=keys, published=before.publication_key)

    assert [Action.REUSE, Action.MAKE] == actions(after)
    assert Action.MAKE is after.publication
    assert "the published image has other inputs" == after.publication_reason


def test_nothing_is_done_twice() -> None:
    before = plan(SYSTEM, thin())
    keys = tuple(step.key for step in before.layers)
    again = plan(SYSTEM, thin(), stored=keys, published=before.publication_key)

    assert [Action.REUSE, Action.REUSE] == actions(again)
    assert Action.REUSE is again.publication


def test_a_cleared_store_under_a_finished_image_builds_nothing() -> None:
    before = plan(SYSTEM, thin())
    again = plan(SYSTEM, thin(), published=before.publication_key)

    assert [Action.REUSE, Action.REUSE] == actions(again)


def test_another_base_changes_every_key() -> None:
    one, other = plan(SYSTEM, thin()), plan(SYSTEM, thin(), base="c" * 64)

    assert not {s.key for s in one.layers} & {s.key for s in other.layers}
    assert one.publication_key != other.publication_key


def test_a_layer_above_a_changed_one_is_made_again_and_says_so() -> None:
    before = plan(SYSTEM, thin())
    changed = LayerSpec("system", "agent and overlays", (PutFile("/usr/lib/x", b"2"),))
    after = plan(changed, thin(), stored=tuple(step.key for step in before.layers))

    assert [Action.MAKE, Action.MAKE] == actions(after)
    assert "values for the agent; the layer below is new" == after.layers[1].reason


def test_the_dry_run_names_every_step_and_its_reason() -> None:
    lines = plan(SYSTEM, thin()).lines()

    assert ["base", "system", "recipe", "publish"] == [line.split()[0] for line in lines]
    assert lines[-1].endswith("nothing published yet")

import json

from imagesmith.build.content import agent_files, recipe_layer, system_layer
from imagesmith.model.edit import Empty, PutFile, PutLink, Remove
from imagesmith.model.layout import EMPTY_SLOT
from imagesmith.model.recipe import Mode, Nodes, Recipe

RECIPE = Recipe(
    name="mpi",
    base="standin",
    mode=Mode.MPI,
    nodes=Nodes(8, "jetson{n}-node", "eth0", None, None, ()),
)


def test_the_wizard_is_switched_off_by_the_one_link_and_the_flag_file_is_kept() -> None:
    edits = system_layer((), ()).edits
    links = {edit.path: edit.target for edit in edits if isinstance(edit, PutLink)}

    assert "/lib/systemd/system/multi-user.target" == links["/etc/systemd/system/default.target"]
    assert not [edit for edit in edits if isinstance(edit, Remove) and "nvfirstboot" in edit.pattern]


def test_an_image_leaves_with_an_empty_slot_and_no_identity() -> None:
    edits = system_layer((), ()).edits

    assert PutFile("/etc/imagesmith/node.json", EMPTY_SLOT, mode=0o600) in edits
    assert Empty("/etc/machine-id") in edits
    assert Remove("/etc/ssh/ssh_host_*") in edits


def test_the_agent_lands_where_the_unit_looks_for_it() -> None:
    tree = (
        PutFile("/README.md", b""),
        PutFile("/imagesmith-firstboot.service", b"u"),
        PutFile("/imagesmith_firstboot/driver.py", b"d"),
    )

    assert [
        "/etc/systemd/system/imagesmith-firstboot.service",
        "/usr/lib/imagesmith/imagesmith_firstboot/driver.py",
    ] == [file.path for file in agent_files(tree)]


def test_the_recipe_layer_is_one_document() -> None:
    (edit,) = recipe_layer(RECIPE, built_at_s=7).edits

    assert isinstance(edit, PutFile)
    assert ("mpi", 7) == (json.loads(edit.content)["name"], json.loads(edit.content)["built_at_s"])

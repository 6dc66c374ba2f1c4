"""What a step is given."""

from typing import NamedTuple

from imagesmith_firstboot.board import Board
from imagesmith_firstboot.documents import Cluster, Node
from imagesmith_firstboot.root import Root


class Context(NamedTuple):
    """The tree and the board a step works on, and the two documents that say what shall be.

    `live` is False while an image is baked: then only files are made so; no device, kernel setting or
    running service is touched.
    """

    root: Root
    board: Board
    cluster: Cluster
    node: Node
    live: bool = True

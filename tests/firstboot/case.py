"""What all tests of the agent start from: a stock card in a folder of its own."""

import tempfile
import unittest
from typing import Any, Dict, List, Optional

from imagesmith_firstboot.root import Root
from imagesmith_firstboot.state import read_state

from tests.firstboot.fake_board import FakeBoard, Fuse, MortalRoot, drive
from tests.firstboot.stock_card import Document, stock_root


class BoardCase(unittest.TestCase):
    """A test with a board."""

    def setUp(self) -> None:
        self.new_card()

    def new_card(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def board(
        self,
        cluster: Optional[Document] = None,
        node: Optional[Document] = None,
        *,
        fitted: bool = True,
        fuse: Optional[Fuse] = None,
    ) -> FakeBoard:
        stock_root(self.folder, cluster, node, fitted=fitted)
        return self.same_card(fuse)

    def same_card(self, fuse: Optional[Fuse] = None) -> FakeBoard:
        fuse = fuse or Fuse()
        return FakeBoard(MortalRoot(self.folder, fuse), fuse)

    @property
    def root(self) -> Root:
        return Root(self.folder)

    @property
    def state(self) -> Dict[str, Any]:
        values = read_state(self.root)
        assert values is not None
        return values

    def statuses(self) -> List[str]:
        return [step["status"] for step in self.state["steps"]]

    def detail_of(self, name: str) -> str:
        return str(next(step["detail"] for step in self.state["steps"] if step["name"] == name))

    def failure(self, board: FakeBoard) -> str:
        """Return why one attempt fails; fail the test when it does not."""
        assert drive(board, once=True) == 3
        assert self.root.read_text("/var/lib/imagesmith/ready") is None
        assert self.state["status"] == "failed"
        return f"{self.state['error']['step']}: {self.state['error']['message']}"

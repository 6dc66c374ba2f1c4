"""Power cuts and kills: at every single effect of a run; the next run ends where an undisturbed one does."""

import os
import signal
import subprocess
import sys
import tempfile
import unittest
from typing import Any, Callable, Dict, Tuple

from imagesmith_firstboot.root import Root

from tests.firstboot.fake_board import Death, FakeBoard, Fuse, MortalRoot, drive, reboot
from tests.firstboot.stock_card import snapshot, stock_root

_VICTIM = """
import os, signal, sys
from tests.firstboot.fake_board import FakeBoard, Fuse, MortalRoot, drive
fuse = Fuse(int(sys.argv[2]), lambda: os.kill(os.getpid(), signal.SIGKILL))
drive(FakeBoard(MortalRoot(sys.argv[1], fuse), fuse))
"""


def _folder() -> "tempfile.TemporaryDirectory[str]":
    # In memory where there is such a place: hundreds of cards are made here.
    return tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)


def _undisturbed(*, fitted: bool) -> Tuple[Dict[str, Any], int]:
    with _folder() as folder:
        stock_root(folder, fitted=fitted)
        fuse = Fuse()
        assert drive(FakeBoard(MortalRoot(folder, fuse), fuse)) == 0
        return snapshot(Root(folder)), fuse.count


class DeathTest(unittest.TestCase):
    def _die_everywhere(self, then: Callable[[Root], None], *, fitted: bool, every: int = 1) -> None:
        wanted, effects = _undisturbed(fitted=fitted)
        assert effects > 200
        for limit in range(0, effects, every):
            with self.subTest(effects_before_death=limit), _folder() as folder:
                stock_root(folder, fitted=fitted)
                fuse = Fuse(limit)
                with self.assertRaises(Death):
                    drive(FakeBoard(MortalRoot(folder, fuse), fuse))
                root = Root(folder)
                # The result may be missing after all is done, but never be there before.
                assert not root.exists("/var/lib/imagesmith/ready") or limit > effects - 5
                then(root)

                assert drive(FakeBoard(root)) == 0

                assert wanted == _without_drafts(snapshot(root))

    def test_killed_at_any_effect_the_next_run_ends_the_same(self) -> None:
        self._die_everywhere(lambda _root: None, fitted=False)

    def test_after_a_power_cut_at_any_effect_the_next_boot_ends_the_same(self) -> None:
        self._die_everywhere(reboot, fitted=False)

    def test_a_card_from_flash_survives_a_power_cut_all_along_its_way(self) -> None:
        self._die_everywhere(reboot, fitted=True, every=7)

    def test_killed_by_signal_the_next_run_ends_the_same(self) -> None:
        wanted, effects = _undisturbed(fitted=True)
        for limit in range(5, effects, effects // 8):
            with self.subTest(effects_before_kill=limit), _folder() as folder:
                stock_root(folder, fitted=True)
                top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
                paths = os.pathsep.join([top, os.path.join(top, "firstboot")])
                killed = subprocess.call(
                    [sys.executable, "-B", "-c", _VICTIM, folder, str(limit)],
                    env={**os.environ, "PYTHONPATH": paths},
                )
                assert killed == -signal.SIGKILL

                assert drive(FakeBoard(Root(folder))) == 0

                assert wanted == _without_drafts(snapshot(Root(folder)))


def _without_drafts(found: Dict[str, Any]) -> Dict[str, Any]:
    # A draft the next run had no reason to write again may stay; it is hidden, 0600, and never read.
    return {path: value for path, value in found.items() if not _is_draft(path)}


def _is_draft(path: str) -> bool:
    name = os.path.basename(path)
    return name.startswith(".") and name.endswith((".imagesmith", ".imagesmith.pub"))

"""The mpi overlay's cluster-run, with launchers that write down what they were told."""

import os
import subprocess
import sys
import tempfile
import unittest
from typing import List, Tuple

_TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_SCRIPT = os.path.join(_TOP, "overlays", "mpi", "usr", "local", "bin", "cluster-run")


class ClusterRunTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        with open(_SCRIPT) as source:
            text = source.read().replace("/etc/imagesmith", self.folder)
        self._write("cluster-run", text)
        self._write("cluster.json", '{"interface": "eth0"}')
        self._write("hostfile", "".join(f"192.168.0.{10 + n} slots=1\n" for n in range(8)))
        self._write("train.py", "")
        os.mkdir(os.path.join(self.folder, "bin"))

    def _write(self, name: str, text: str) -> None:
        with open(os.path.join(self.folder, name), "w") as out:
            out.write(text)

    def _install(self, launcher: str) -> None:
        self._write(f"bin/{launcher}", '#!/bin/sh\nprintf "%s\\n" "$0" "$@"\n')
        os.chmod(os.path.join(self.folder, "bin", launcher), 0o755)

    def _run(self, *words: str) -> Tuple[int, List[str], str]:
        child = subprocess.Popen(
            [sys.executable, "-B", "cluster-run", *words],
            cwd=self.folder,
            env={"PATH": os.path.join(self.folder, "bin")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = child.communicate()
        return child.returncode, out.decode().splitlines(), err.decode().strip()

    def test_horovodrun_gets_the_first_nodes_the_interface_and_the_scripts_own_arguments(self) -> None:
        self._install("horovodrun")
        self._install("mpirun")

        code, words, _ = self._run("3", "train.py", "--epochs", "5", "a b")

        assert code == 0
        assert words[0].endswith("/bin/horovodrun")
        assert words[1:] == [
            *["-np", "3", "-H", "192.168.0.10:1,192.168.0.11:1,192.168.0.12:1"],
            *["--network-interface", "eth0"],
            *["python3", os.path.join(self.folder, "train.py"), "--epochs", "5", "a b"],
        ]

    def test_mpirun_is_pinned_to_the_interface_too(self) -> None:
        self._install("mpirun")

        code, words, _ = self._run("2", "train.py")

        assert code == 0
        assert words[1:5] == ["-np", "2", "-H", "192.168.0.10:1,192.168.0.11:1"]
        for parameter in ("btl_tcp_if_include", "oob_tcp_if_include"):
            assert words[words.index(parameter) + 1] == "eth0"
        assert words[-2:] == ["python3", os.path.join(self.folder, "train.py")]

    def test_a_card_without_identity_runs_on_itself(self) -> None:
        self._install("mpirun")
        os.unlink(os.path.join(self.folder, "hostfile"))

        code, words, _ = self._run("1", "train.py")

        assert code == 0
        assert words[1:5] == ["-np", "1", "-H", "localhost:1"]

    def _refused(self, *words: str) -> str:
        self._install("mpirun")
        code, out, err = self._run(*words)
        assert (code, out) == (2, [])
        return err.splitlines()[-1]

    def test_more_nodes_than_there_are_is_refused(self) -> None:
        assert self._refused("9", "train.py") == "cluster-run: error: N is from 1 to 8 here, not 9"

    def test_no_node_is_refused(self) -> None:
        assert self._refused("0", "train.py") == "cluster-run: error: N is from 1 to 8 here, not 0"

    def test_the_seeds_swapped_arguments_are_refused(self) -> None:
        message = self._refused("train.py", "4")

        assert message == "cluster-run: error: argument N: invalid int value: 'train.py'"

    def test_a_missing_script_is_refused(self) -> None:
        message = self._refused("4", "trian.py")

        assert message == f"cluster-run: error: there is no file {self.folder}/trian.py"

    def test_without_a_launcher_it_says_so(self) -> None:
        code, _, err = self._run("1", "train.py")

        assert code == 2
        assert err.endswith("cluster-run: error: neither horovodrun nor mpirun is installed")

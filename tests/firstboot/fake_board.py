"""A board around a stock card in a folder: simulated programs, kernel and power.

sgdisk, mkswap, blkid and ssh-keygen are the real ones, on files. What would touch this machine (users, swap,
network, services) is simulated on the folder's files, kernel state included, so that a power cut can be
played: `reboot` forgets what a kernel forgets and does what systemd does at boot.
"""

import contextlib
import io
import os
import re
import subprocess
from typing import Callable, Dict, List, Optional, Sequence, Set, Tuple

from imagesmith_firstboot.board import Board, Finished
from imagesmith_firstboot.driver import Driver, Step
from imagesmith_firstboot.errors import CommandError
from imagesmith_firstboot.root import Root
from imagesmith_firstboot.steps import STEPS

from tests.firstboot.stock_card import BUILT_AT_S, MOUNTED_ROOT, NO_SWAPS, ZRAM, put, sgdisk, show_disk

_MADE_KEYS: Dict[str, Tuple[Finished, List[str]]] = {}


class Death(BaseException):
    """The agent is gone: power cut or kill."""


class Fuse:
    """Counts effects; blows before the n-th, and at each one behind it: the dead do nothing more."""

    def __init__(self, limit: Optional[int] = None, blow: Optional[Callable[[], None]] = None) -> None:
        self.limit = limit
        self.count = 0
        self._blow = blow

    def burn(self) -> None:
        self.count += 1
        if self.limit is not None and self.count > self.limit:
            if self._blow is not None:
                self._blow()
            raise Death


class MortalRoot(Root):
    """A root tree whose every change may be the last: before, between draft and rename, and after."""

    def __init__(self, folder: str, fuse: Fuse) -> None:
        super().__init__(folder)
        self.fuse = fuse

    def link(self, inside: str, target: str) -> bool:
        self.fuse.burn()
        return super().link(inside, target)

    def remove(self, inside: str) -> bool:
        self.fuse.burn()
        return super().remove(inside)

    def rename(self, inside: str, to: str) -> None:
        self.fuse.burn()
        super().rename(inside, to)

    def _sync(self, handle: int) -> None:  # noqa: ARG002 -- see below
        self.fuse.burn()  # no fsync: what a test needs to survive is the process, not the machine


class FakeBoard(Board):
    """Simulated programs on the folder of `root`; every call's words and input are kept."""

    def __init__(self, root: Root, fuse: Optional[Fuse] = None) -> None:
        self.root = root
        self.fuse = fuse or Fuse()
        self.calls: List[List[str]] = []
        self.inputs: List[Optional[str]] = []
        self.deaf: Set[str] = set()  # programs that do nothing and say all is well
        self.broken: Dict[str, str] = {}  # program → message: it fails
        self.installed = {"setupcon", "mpirun"}
        self.clock_s = float(BUILT_AT_S + 60)
        self.uptime_s = 100.0
        self.server_up = False
        self.dhcp = True
        self.notices: List[str] = []
        self.output = ""

    def run(
        self,
        argv: Sequence[str],
        *,
        input_text: Optional[str] = None,
        timeout_s: float = 120.0,
        ok: Sequence[int] = (0,),
    ) -> Finished:
        assert timeout_s > 0
        self.fuse.burn()
        self.calls.append([word.replace(self.root.folder, "") for word in argv])
        self.inputs.append(input_text)
        name = os.path.basename(argv[0])
        if name in self.broken:
            raise CommandError(f"{name}: {self.broken[name]}")
        if name in self.deaf:
            return Finished(0, "", "")
        finished: Finished = getattr(self, "_run_" + name.replace("-", "_"))(list(argv[1:]), input_text)
        self.fuse.burn()
        if finished.returncode not in ok:
            raise CommandError(f"{name}: {finished.stderr.strip()} (exit code {finished.returncode})")
        return finished

    def has(self, program: str) -> bool:
        return program in self.installed

    def now_s(self) -> float:
        return self.clock_s

    def monotonic_s(self) -> float:
        return self.uptime_s

    def sleep(self, seconds: float) -> None:
        self.uptime_s += seconds
        self.clock_s += seconds

    def answers(self, host: str, port: int, *, timeout_s: float) -> bool:
        assert (host, port) == ("192.168.0.1", 2049)
        assert timeout_s < 10
        return self.server_up

    def sync(self) -> None:
        self.fuse.burn()

    def notify(self, text: str) -> None:
        self.notices.append(text)

    def programs(self) -> List[str]:
        return [os.path.basename(words[0]) for words in self.calls]

    # --- real programs, on files ---------------------------------------------------------------------------

    def _real(self, name: str, words: List[str]) -> Finished:
        words = [
            self.root.path(word + ".img") if word in ("/dev/mmcblk0", "/dev/mmcblk0p15") else word
            for word in words
        ]
        path = "/usr/sbin:/usr/bin:/sbin:/bin"
        child = subprocess.Popen(
            [name, *words],
            env={"PATH": path, "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = child.communicate()
        return Finished(child.returncode, out.decode(), err.decode())

    def _run_sgdisk(self, words: List[str], _input: Optional[str]) -> Finished:
        assert words[-1] == "/dev/mmcblk0"
        return sgdisk(self.root, *words[:-1])

    def _run_mkswap(self, words: List[str], _input: Optional[str]) -> Finished:
        return self._real("mkswap", words)

    def _run_blkid(self, words: List[str], _input: Optional[str]) -> Finished:
        return self._real("blkid", words)

    def _run_ssh_keygen(self, words: List[str], _input: Optional[str]) -> Finished:
        if words[0] == "-y":
            return self._real("ssh-keygen", words)
        kind, path = words[words.index("-t") + 1], words[-1]
        if kind not in _MADE_KEYS:  # an RSA key takes a second: made once, used by all boards of a test run
            finished = self._real("ssh-keygen", words)
            _MADE_KEYS[kind] = finished, [_read(path), _read(path + ".pub")]
        finished, (private, public) = _MADE_KEYS[kind]
        for name, text, mode in ((path, private, 0o600), (path + ".pub", public, 0o644)):
            self._put(name[len(self.root.folder) :], text)
            os.chmod(name, mode)
            self.fuse.burn()
        return finished

    def _run_install(self, words: List[str], _input: Optional[str]) -> Finished:
        return self._real("install", words)

    # --- the kernel ----------------------------------------------------------------------------------------

    def _run_partx(self, words: List[str], _input: Optional[str]) -> Finished:
        assert words == ["--update", "--nr", "1:15", "/dev/mmcblk0"]
        show_disk(self.root)
        return Finished(0, "", "")

    def _run_resize2fs(self, words: List[str], _input: Optional[str]) -> Finished:
        assert words == ["/dev/mmcblk0p1"]
        return Finished(0, "", "")

    def _run_swapon(self, words: List[str], _input: Optional[str]) -> Finished:
        if self._run_blkid(["-p", "-o", "value", "-s", "TYPE", words[0]], None).stdout.strip() != "swap":
            return Finished(255, "", "read swap header failed")
        self._append("/proc/swaps", f"{words[0]} partition 4194300 0 -2\n")
        return Finished(0, "", "")

    def _run_swapoff(self, words: List[str], _input: Optional[str]) -> Finished:
        assert words == ["--all"]
        self._put("/proc/swaps", NO_SWAPS)
        return Finished(0, "", "")

    def _run_hostname(self, words: List[str], _input: Optional[str]) -> Finished:
        self._put("/proc/sys/kernel/hostname", words[0] + "\n")
        return Finished(0, "", "")

    def _run_date(self, words: List[str], _input: Optional[str]) -> Finished:
        self.clock_s = float(words[-1].split("@")[1])
        return Finished(0, "", "")

    def _run_modprobe(self, _words: List[str], _input: Optional[str]) -> Finished:
        return Finished(0, "", "")

    def _run_chown(self, words: List[str], _input: Optional[str]) -> Finished:
        assert words[1] == "1000:guest"
        return Finished(0, "", "")

    # --- accounts ------------------------------------------------------------------------------------------

    def _run_groupadd(self, words: List[str], _input: Optional[str]) -> Finished:
        gid = words[1] if words[0] == "--gid" else str(900 + len(self._rows("group")))
        self._append("/etc/group", f"{words[-1]}:x:{gid}:\n")
        return Finished(0, "", "")

    def _run_useradd(self, words: List[str], _input: Optional[str]) -> Finished:
        given = dict(word[2:].split("=", 1) for word in words[:-1] if "=" in word)
        gid = next(row.split(":")[2] for row in self._rows("group") if row.startswith(given["gid"] + ":"))
        fields = [words[-1], "x", given["uid"], gid, given["comment"], given["home-dir"], given["shell"]]
        self._append("/etc/passwd", ":".join(fields) + "\n")
        self.fuse.burn()  # useradd writes one file after the other
        self._append("/etc/shadow", f"{words[-1]}:!:19000:0:99999:7:::\n")
        return Finished(0, "", "")

    def _run_pwconv(self, _words: List[str], _input: Optional[str]) -> Finished:
        known = {row.split(":")[0] for row in self._rows("shadow")}
        for row in self._rows("passwd"):
            if row.split(":")[0] not in known:
                self._append("/etc/shadow", row.split(":")[0] + ":x:19000:0:99999:7:::\n")
        return Finished(0, "", "")

    def _run_usermod(self, words: List[str], _input: Optional[str]) -> Finished:
        user = words[-1]
        if words[0].startswith("--password="):
            self._set_hash(user, words[0].split("=", 1)[1])
            return Finished(0, "", "")
        joined = words[1].split("=", 1)[1].split(",")
        rows = []
        for row in self._rows("group"):
            fields = row.split(":")
            if fields[0] in joined:
                fields[3] = ",".join([name for name in fields[3].split(",") if name] + [user])
            rows.append(":".join(fields))
        self._put("/etc/group", "\n".join(rows) + "\n")
        return Finished(0, "", "")

    def _run_chpasswd(self, words: List[str], given: Optional[str]) -> Finished:
        assert given is not None
        assert words == ["--encrypted"]
        user, _, word = given.rstrip("\n").partition(":")
        self._set_hash(user, word)
        return Finished(0, "", "")

    def _set_hash(self, user: str, word: str) -> None:
        rows = [row.split(":") for row in self._rows("shadow")]
        for row in rows:
            if row[0] == user:
                row[1] = word
        self._put("/etc/shadow", "".join(":".join(row) + "\n" for row in rows))

    # --- services ------------------------------------------------------------------------------------------

    def _run_systemctl(self, words: List[str], _input: Optional[str]) -> Finished:
        if words[0] == "stop" and words[1] == "nvzramconfig.service":
            self._put("/proc/swaps", self._text("/proc/swaps").replace(ZRAM, ""))
        return Finished(0, "", "")

    def _run_systemd_escape(self, words: List[str], _input: Optional[str]) -> Finished:
        assert words[:2] == ["--path", "--suffix=automount"]
        return Finished(0, words[2].strip("/").replace("/", "-") + ".automount\n", "")

    def _run_nmcli(self, words: List[str], _input: Optional[str]) -> Finished:
        if "up" in words:
            self.bring_up()
        return Finished(0, "", "")

    def _run_ip(self, _words: List[str], _input: Optional[str]) -> Finished:
        address = self.root.read_text("/kernel/address") or ""
        line = f"2: eth0    inet {address} brd 192.168.0.255 scope global eth0\\  valid_lft forever\n"
        return Finished(0, line if address else "", "")

    def _run_timedatectl(self, _words: List[str], _input: Optional[str]) -> Finished:
        return Finished(0, "  System clock synchronized: yes\n", "")

    def _run_locale(self, _words: List[str], _input: Optional[str]) -> Finished:
        return Finished(0, "C\nC.UTF-8\nPOSIX\n" + (self.root.read_text("/kernel/locales") or ""), "")

    def _run_localedef(self, words: List[str], _input: Optional[str]) -> Finished:
        self._put("/kernel/locales", words[-1].replace("UTF-8", "utf8") + "\n")
        return Finished(0, "", "")

    def _run_setupcon(self, _words: List[str], _input: Optional[str]) -> Finished:
        return Finished(1, "", "We are not on the console")

    def _run_sshd(self, words: List[str], _input: Optional[str]) -> Finished:
        assert words[:2] == ["-t", "-f"]
        with open(words[2]) as config:
            first = config.readlines()[1]
        return Finished(0, "", "") if first.startswith("AuthorizedKeysFile ") else Finished(255, "", "bad")

    def _run_ls(self, words: List[str], _input: Optional[str]) -> Finished:
        if self.server_up:
            point = words[0].replace(self.root.folder, "")
            self._append("/proc/self/mountinfo", f"90 22 0:50 / {point} rw - nfs4 192.168.0.1:/x rw\n")
        return Finished(0, "", "")

    # --- files, past the fuse ------------------------------------------------------------------------------

    def bring_up(self) -> None:
        """Do what NetworkManager does with the profile."""
        folder = "/etc/NetworkManager/system-connections"
        for name in self.root.names(folder):
            if not name.endswith(".nmconnection"):
                continue
            text = self._text(f"{folder}/{name}")
            static = re.search(r"^address1=([^,\n]+)", text, re.MULTILINE)
            address = static.group(1) if static else "10.0.2.15/24" if self.dhcp else ""
            self._put("/kernel/address", address)

    def _rows(self, table: str) -> List[str]:
        return self._text(f"/etc/{table}").splitlines()

    def _text(self, inside: str) -> str:
        return self.root.read_text(inside) or ""

    def _append(self, inside: str, text: str) -> None:
        self._put(inside, self._text(inside) + text)

    def _put(self, inside: str, text: str) -> None:
        put(self.root, inside, text)


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as source:
        return source.read()


def reboot(root: Root, boot_id: str = "boot-2") -> None:
    """Forget what a kernel forgets, then do what systemd and NetworkManager do at boot."""
    put(root, "/proc/sys/kernel/random/boot_id", boot_id + "\n")
    put(root, "/proc/self/mountinfo", MOUNTED_ROOT)
    name = (root.read_text("/etc/hostname") or "").strip() or "localhost"
    put(root, "/proc/sys/kernel/hostname", name + "\n")
    put(root, "/kernel/address", "")
    zram = root.read_link("/etc/systemd/system/nvzramconfig.service") != "/dev/null"
    put(root, "/proc/swaps", NO_SWAPS + (ZRAM if zram else ""))
    show_disk(root)
    board = FakeBoard(root)
    board.bring_up()
    if "PARTLABEL=SWAP" in (root.read_text("/etc/fstab") or ""):
        board.run(["swapon", "/dev/mmcblk0p15"])


def drive(board: FakeBoard, *, once: bool = False, steps: Sequence[Step] = STEPS) -> int:
    """Run the agent; return its exit code. What it prints is in `board.output`."""
    screen = io.StringIO()
    try:
        with contextlib.redirect_stdout(screen), contextlib.redirect_stderr(screen):
            return Driver(board.root, board, steps).run(once=once)
    finally:
        board.output += screen.getvalue()

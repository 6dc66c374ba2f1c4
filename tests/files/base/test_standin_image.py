"""The stand-in itself, from the shared cache (made there once, in minutes), and what failed makings leave."""

import hashlib
import re
import sys
import time
from pathlib import Path

import pytest

from imagesmith.base import standin
from imagesmith.base.inspection import BaseFacts, inspect_base
from imagesmith.base.standin import TAIL_BYTES, boot_partition_content, ensure_standin, standin_partitions
from imagesmith.errors import BuildError
from imagesmith.host import ext4, gpt
from imagesmith.host.programs import run
from imagesmith.model.layout import BOOT_PARTITIONS
from imagesmith.model.units import MIB

pytestmark = pytest.mark.timeout(1800)
APP = standin_partitions()[0]


@pytest.fixture(scope="module")
def image() -> Path:
    return ensure_standin(lambda _: None)


@pytest.fixture(scope="module")
def facts(image: Path) -> BaseFacts:
    return inspect_base(image)


def listing(image: Path, folder: str) -> dict[str, str]:
    """Return the names in a folder with their mode, uid and gid, as debugfs shows them."""
    rows = re.findall(
        r"^ *\d+ +(\d+) \(\d\) +(\d+) +(\d+) +\d+ +\S+ +\S+ (.+)$",
        ext4.answers(image, APP, [f"ls -l {folder}"])[0],
        re.MULTILINE,
    )
    return {name: f"{mode} {uid}:{gid}" for mode, uid, gid, name in rows if name not in (".", "..")}


def text_of(image: Path, path: str) -> str:
    return ext4.read_file(image, APP, path)


def target(image: Path, link: str) -> str:
    found = re.search(
        r'^Fast link dest: "(.*)"$', ext4.answers(image, APP, [f"stat {link}"])[0], re.MULTILINE
    )
    assert found, f"{link} is no link"
    return found[1]


def test_it_is_accepted_as_a_stock_image_and_has_its_geometry(facts: BaseFacts) -> None:
    assert standin_partitions() == facts.geometry.partitions
    assert APP.offset_bytes + APP.size_bytes + TAIL_BYTES == facts.size_bytes
    assert facts.app.free_bytes >= 500 * MIB


def test_sgdisk_and_e2fsck_find_nothing_wrong(image: Path) -> None:
    assert "" == gpt.complaints_of(image)
    assert "" == ext4.complaints_of(image, APP)


def test_every_partition_is_of_the_stock_type(image: Path) -> None:
    for part in standin_partitions():
        said = run(["sgdisk", "-i", str(part.number), image]).stdout
        assert "Partition GUID code: 0FC63DAF-8483-4772-8E79-3D69D8477DE4" in said


def test_the_boot_partitions_hold_their_noise(facts: BaseFacts) -> None:
    expected = {
        part.number: hashlib.sha256(boot_partition_content(part)).hexdigest() for part in BOOT_PARTITIONS
    }
    assert expected == facts.boot_partition_sha256


def test_the_default_target_is_the_wizard(image: Path) -> None:
    units = "/etc/systemd/system"

    assert "nv-oem-config.target" == target(image, f"{units}/default.target")
    assert "/lib/systemd/system/nv-oem-config.target" == target(image, f"{units}/nv-oem-config.target")
    assert {"nv-oem-config.service", "nvfb-early.service"} == set(
        listing(image, f"{units}/nv-oem-config.target.wants")
    )
    assert {
        "NetworkManager.service",
        "nv-l4t-bootloader-config.service",
        "nv.service",
        "nvfb-early.service",
        "nvfb.service",
        "nvzramconfig.service",
        "ssh.service",
    } <= set(listing(image, f"{units}/multi-user.target.wants"))
    assert {} == listing(image, f"{units}/network-online.target.wants")


def test_it_carries_no_identity(image: Path) -> None:
    assert "" == text_of(image, "/etc/hostname")
    assert "127.0.0.1 localhost\n" == text_of(image, "/etc/hosts")
    assert 33 == len(text_of(image, "/etc/machine-id"))
    assert not [name for name in listing(image, "/etc/ssh") if name.startswith("ssh_host_")]
    assert "nvfirstboot" in listing(image, "/etc/nv")
    users = [line.split(":") for line in text_of(image, "/etc/passwd").splitlines()]
    assert not [user[0] for user in users if 1000 <= int(user[2]) < 65534]
    passwords = {
        line.split(":")[0]: line.split(":")[1] for line in text_of(image, "/etc/shadow").splitlines()
    }
    assert passwords["root"].startswith("!")
    assert all(password.startswith(("!", "*")) for password in passwords.values())
    assert {} == listing(image, "/home")


def test_owners_and_modes_are_those_of_a_debian_root(image: Path) -> None:
    assert "100640 0:42" == listing(image, "/etc")["shadow"]
    assert "104755 0:0" == listing(image, "/usr/bin")["passwd"]
    assert "41777 0:0" == listing(image, "/")["tmp"]
    assert "100755 0:0" == listing(image, "/etc/systemd")["nvfb.sh"]


def test_it_has_no_kernel_but_the_place_for_one(image: Path) -> None:
    assert {"extlinux"} == set(listing(image, "/boot"))
    assert {} == listing(image, "/lib/modules")


def test_the_groups_and_the_language_of_the_stock_image_are_there(image: Path) -> None:
    groups = {line.split(":")[0] for line in text_of(image, "/etc/group").splitlines()}

    assert {"gpio", "crypto", "trusty", "i2c", "debug", "weston-launch", "sudo", "video"} <= groups
    assert "LANG=en_US.UTF-8\n" == text_of(image, "/etc/default/locale")
    assert "locale-archive" in listing(image, "/usr/lib/locale")
    assert "fr_FR" in listing(image, "/usr/share/i18n/locales")


def test_the_installed_packages_are_the_locked_ones(image: Path) -> None:
    status = text_of(image, "/var/lib/dpkg/status")
    installed = re.findall(r"^Package: (\S+)$.*?^Version: (\S+)$", status, re.MULTILINE | re.DOTALL)

    assert (standin._SOURCE / "packages.lock").read_text().splitlines() == sorted(map(" ".join, installed))


def test_a_second_call_takes_no_time(image: Path) -> None:
    began_s = time.monotonic()

    assert image == ensure_standin(lambda text: pytest.fail(f"it said {text!r}"))
    assert time.monotonic() - began_s < 1


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def left_in(cache: Path) -> list[str]:
    return [path.name for path in (cache / "imagesmith" / "bases").iterdir()]


def test_a_mirror_that_does_not_answer_is_a_failed_build_with_nothing_left(
    tmp_path: Path, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The host's own apt is told of a mirror where nobody listens: the discard port of this machine.
    sources = tmp_path / "sources.list"
    sources.write_text("deb http://127.0.0.1:9/debian bookworm main\n")
    config = tmp_path / "apt.conf"
    config.write_text(f'Dir::Etc::SourceList "{sources}";\nDir::Etc::SourceParts "/dev/null";\n')
    monkeypatch.setenv("APT_CONFIG", str(config))

    with pytest.raises(BuildError) as caught:
        ensure_standin(lambda _: None)

    assert "the stand-in base could not be made" in caught.value.what
    assert "127.0.0.1" in caught.value.why
    assert "serves bullseye for arm64" in caught.value.remedy
    assert ["standin.lock"] == left_in(empty_cache)


def test_an_interrupted_making_leaves_nothing(empty_cache: Path) -> None:
    def interrupt(text: str) -> None:
        if "apt-get update" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ensure_standin(interrupt)

    assert ["standin.lock"] == left_in(empty_cache)


def test_a_full_disk_is_a_failed_build_with_nothing_left(empty_cache: Path) -> None:
    folder = empty_cache / "imagesmith" / "bases"
    folder.mkdir(parents=True)
    # A limit on file sizes is the disk that an ordinary process can fill.
    limited = (
        "import resource, signal; from imagesmith.base.standin import ensure_standin;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20));"
        "ensure_standin(print)"
    )
    done = run([sys.executable, "-c", limited], ok=(0, 1), cwd=Path(__file__).parents[3])

    assert "BuildError: the stand-in base could not be written" in done.stderr
    assert ["standin.lock"] == left_in(empty_cache)

"""What mount would not take is named with its line; what it takes is let through."""

import pytest

from imagesmith.verify.fstab import wrong_fstab


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n\n",
        "/dev/root / ext4 defaults 0 1\n",
        "LABEL=SWAP none swap sw 0 0\n/swapfile none swap sw 0 0\n",
        "192.168.0.1:/media/nfs /media/share nfs rw,nfsvers=4.2,_netdev,x-systemd.automount 0 0\n",
        "[fe80::1]:/x /y nfs4 defaults\n",
        "tmpfs /tmp tmpfs size=50%,mode=1777 0 0\n",
        "PARTUUID=1234-02 /boot vfat umask=0077 0 2\n",
    ],
)
def test_a_table_that_can_be_used_is_good(text: str) -> None:
    assert wrong_fstab(text) == ""


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("/dev/root / ext4\n", "line 1: 3 fields, not 4 to 6"),
        ("/dev/root / ext4 defaults 0 1 2\n", "line 1: 7 fields, not 4 to 6"),
        ("# x\n192.168.0.1 /media nfs defaults\n", "line 2: '192.168.0.1' is no source of a mount"),
        ("/dev/sda1 media ext4 defaults\n", "line 1: 'media' is no mount point"),
        ("/dev/sda1 /m ext4 rw,,noatime\n", "line 1: '' is no mount option"),
        ("/dev/sda1 /m ext4 “rw”\n", "line 1: '“rw”' is no mount option"),
        ("/dev/sda1 /m ext4 rw yes 0\n", "line 1: 'yes' is not a digit"),
        ("/dev/a / ext4 rw\n/dev/b / ext4 rw\n", "line 2: / is mounted twice"),
        ("/dev/a /m ext4 rw\n/dev/b /m/ ext4 rw\n", "line 2: /m is mounted twice"),
    ],
)
def test_what_mount_would_not_take_is_named(text: str, wrong: str) -> None:
    assert wrong == wrong_fstab(text)

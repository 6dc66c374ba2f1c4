"""Clock, OEM answers, names, network, ssh, mounts and mode, each in its odd circumstances."""

import hashlib
import json
import os
from typing import Any

from tests.firstboot.case import BoardCase
from tests.firstboot.fake_board import FakeBoard, drive
from tests.firstboot.stock_card import BUILT_AT_S, CLUSTER, NODE, Document, changed, put

_DEFAULT_ROUTE = "Iface\tDestination\tGateway\neth0\t00000000\t0100A8C0\n"


def _with_user(**values: Any) -> Document:
    return changed(CLUSTER, users=[{**CLUSTER["users"][0], **values}])


class ClockTest(BoardCase):
    def test_a_clock_in_the_past_is_set_to_the_build(self) -> None:
        board = self.board()
        board.clock_s = 1000.0

        assert drive(board) == 0

        assert board.clock_s >= BUILT_AT_S
        assert self.detail_of("clock") == (
            "was 1970-01-01, set to the build's 2026-05-28, no route yet, not synchronised"
        )

    def test_a_clock_ahead_of_the_build_is_not_set_back(self) -> None:
        board = self.board()

        assert drive(board) == 0

        assert "date" not in board.programs()

    def test_waiting_for_time_servers_has_an_end(self) -> None:
        board = self.board()
        put(self.root, "/proc/net/route", _DEFAULT_ROUTE)
        board.broken["timedatectl"] = "Failed to connect to bus"
        began_s = board.uptime_s

        assert drive(board) == 0

        assert board.uptime_s - began_s == 20
        assert self.detail_of("clock") == "not synchronised yet"

    def test_with_a_route_and_a_time_server_it_says_so(self) -> None:
        board = self.board()
        put(self.root, "/proc/net/route", _DEFAULT_ROUTE)

        assert drive(board) == 0

        assert self.detail_of("clock") == "synchronised"


class OemTest(BoardCase):
    def test_a_licence_that_is_not_accepted_stops_everything_behind_it(self) -> None:
        board = self.board(changed(CLUSTER, licence={"nvidia-l4t-eula": "not accepted"}))

        assert self.failure(board) == (
            "oem: the recipe does not accept NVIDIA's licence: write 'licence: {nvidia-l4t-eula: accepted}'"
        )
        assert "useradd" not in board.programs()
        assert not self.root.exists("/var/lib/imagesmith/licence.json")

    def test_the_accepted_licence_is_recorded_with_its_text(self) -> None:
        board = self.board()
        put(self.root, "/usr/share/doc/nvidia-tegra/L4T_End_User_License_Agreement.txt.gz", "the text")

        assert drive(board) == 0

        record = json.loads(self.root.read_text("/var/lib/imagesmith/licence.json") or "")
        assert record["nvidia-l4t-eula"] == "accepted"
        assert record["accepted_by"] == "recipe mpi"
        assert record["text_sha256"] == hashlib.sha256(b"the text").hexdigest()

    def test_a_default_target_left_at_the_wizard_is_switched(self) -> None:
        board = self.board()
        self.root.link("/etc/systemd/system/default.target", "/lib/systemd/system/nv-oem-config.target")

        assert drive(board) == 0

        target = self.root.read_link("/etc/systemd/system/default.target")
        assert target == "/lib/systemd/system/multi-user.target"

    def test_a_graphical_default_target_is_kept(self) -> None:
        board = self.board()
        self.root.link("/etc/systemd/system/default.target", "/lib/systemd/system/graphical.target")

        assert drive(board) == 0

        target = self.root.read_link("/etc/systemd/system/default.target")
        assert target == "/lib/systemd/system/graphical.target"

    def test_a_user_gets_groups_home_and_password(self) -> None:
        assert drive(self.board()) == 0

        assert "guest:x:1000:1000:Guest:/home/guest:/bin/bash\n" in (self.root.read_text("/etc/passwd") or "")
        groups = (self.root.read_text("/etc/group") or "").splitlines()
        assert "sudo:x:27:guest" in groups
        assert "docker:x:903:guest" in groups
        assert "guest:x:1000:" in groups
        assert self.root.read_text("/home/guest/.bashrc") == "# bash\n"

    def test_an_uid_of_somebody_else_is_refused(self) -> None:
        board = self.board()
        put(self.root, "/etc/passwd", "root:x:0:0::/root:/bin/sh\nnvidia:x:1000:1000::/home/nvidia:/bin/sh\n")

        assert self.failure(board) == "oem: uid 1000 of guest is taken by nvidia"
        assert "useradd" not in board.programs()

    def test_a_user_with_another_uid_is_refused(self) -> None:
        board = self.board()
        put(self.root, "/etc/passwd", "guest:x:1001:1001::/home/guest:/bin/sh\n")

        assert self.failure(board) == "oem: guest exists with uid 1001, not 1000"

    def test_a_password_taken_out_of_the_recipe_is_taken_from_the_user(self) -> None:
        drive(self.board())
        put(self.root, "/etc/imagesmith/node.json", json.dumps(changed(NODE, passwords={})))

        assert drive(self.same_card()) == 0

        assert "guest:*:" in (self.root.read_text("/etc/shadow") or "")

    def test_a_home_on_nfs_is_not_looked_into(self) -> None:
        board = self.board()
        mountinfo = self.root.read_text("/proc/self/mountinfo") or ""
        put(
            self.root,
            "/proc/self/mountinfo",
            mountinfo + "40 22 0:40 / /home/guest rw - autofs systemd-1 rw\n",
        )

        assert drive(board) == 0

        assert not self.root.exists("/home/guest")
        assert "chown" not in board.programs()

    def test_a_locale_the_system_has_is_not_made_again(self) -> None:
        board = self.board(changed(CLUSTER, locale="C.UTF-8"))

        assert drive(board) == 0

        assert "localedef" not in board.programs()
        assert self.root.read_text("/etc/default/locale") == "LANG=C.UTF-8\n"
        assert self.root.read_text("/etc/locale.gen") == "# locales\n"

    def test_a_missing_locale_is_made_and_listed_for_upgrades(self) -> None:
        board = self.board()

        assert drive(board) == 0

        assert ["localedef", "--inputfile=en_US", "--charmap=UTF-8", "en_US.UTF-8"] in board.calls
        assert self.root.read_text("/etc/locale.gen") == "# locales\nen_US.UTF-8 UTF-8\n"

    def test_an_unknown_time_zone_is_refused(self) -> None:
        board = self.board(changed(CLUSTER, timezone="Europe/Atlantis"))

        assert self.failure(board) == "oem: the system knows no time zone Europe/Atlantis"
        assert not self.root.exists("/etc/localtime")

    def test_time_zone_and_keyboard_are_written_the_debian_way(self) -> None:
        drive(self.board())

        assert self.root.read_link("/etc/localtime") == "/usr/share/zoneinfo/Europe/Paris"
        assert self.root.read_text("/etc/timezone") == "Europe/Paris\n"
        assert 'XKBLAYOUT="us"\n' in (self.root.read_text("/etc/default/keyboard") or "")


class NameTest(BoardCase):
    def test_name_and_hosts_agree_and_an_old_name_goes(self) -> None:
        board = self.board()
        put(self.root, "/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 old-name\n10.0.0.9 printer\n")

        assert drive(board) == 0

        rows = [row.split() for row in (self.root.read_text("/etc/hosts") or "").splitlines()]
        assert ["127.0.1.1", "jetson1-node"] in rows
        assert ["10.0.0.9", "printer"] in rows
        assert ["192.168.0.12", "jetson2-node"] in rows
        assert [row for row in rows if row[0] == "127.0.1.1"] == [["127.0.1.1", "jetson1-node"]]
        assert self.root.read_text("/proc/sys/kernel/hostname") == "jetson1-node\n"

    def test_a_name_that_did_not_take_keeps_the_node_from_ready(self) -> None:
        board = self.board()
        board.deaf = {"hostname"}

        assert self.failure(board) == "ready: the system calls itself localhost, not jetson1-node"

    def test_a_board_that_cannot_be_named_is_refused(self) -> None:
        board = self.board(node={})
        put(self.root, "/proc/device-tree/serial-number", "0000000000000\0")
        os.unlink(self.root.path("/sys/class/net/eth0/address"))

        assert self.failure(board) == (
            "clock: no name for this node: no identity on the card, no serial number, no interface eth0"
        )


class NetworkTest(BoardCase):
    _PROFILE = "/etc/NetworkManager/system-connections/imagesmith-eth0.nmconnection"

    def test_a_static_address_is_a_keyfile_bound_to_the_interface(self) -> None:
        assert drive(self.board()) == 0

        lines = (self.root.read_text(self._PROFILE) or "").splitlines()
        assert "interface-name=eth0" in lines
        assert lines[lines.index("[ipv4]") + 1 :][:3] == [
            "method=manual",
            "address1=192.168.0.11/24,192.168.0.1",
            "dns=192.168.0.1;",
        ]
        assert not [line for line in lines if "mac-address" in line]

    def test_a_missing_interface_is_waited_for_then_named(self) -> None:
        board = self.board(changed(CLUSTER, interface="eth7"))
        began_s = board.uptime_s

        assert self.failure(board) == "network: no interface eth7 (there are: eth0, lo)"
        assert board.uptime_s - began_s == 15
        assert not self.root.names("/etc/NetworkManager/system-connections")

    def test_without_a_lease_the_node_is_not_ready(self) -> None:
        board = self.board(node={})
        board.dhcp = False

        assert self.failure(board) == "network: eth0 has not got an address by DHCP"

    def test_the_profile_of_another_interface_goes(self) -> None:
        board = self.board()
        old = "/etc/NetworkManager/system-connections/imagesmith-eth1.nmconnection"
        put(self.root, old, "[connection]\n")
        put(self.root, "/etc/NetworkManager/system-connections/lab", "[connection]\n")

        assert drive(board) == 0

        assert self.root.names("/etc/NetworkManager/system-connections") == [
            "imagesmith-eth0.nmconnection",
            "lab",
        ]


class SshTest(BoardCase):
    def test_keys_are_roots_files_outside_the_homes(self) -> None:
        assert drive(self.board()) == 0

        keys = self.root.read_text("/etc/ssh/authorized_keys.d/guest")
        assert keys == "ssh-ed25519 AAAA someone\n"
        assert self.root.read_text("/etc/ssh/sshd_config") == (
            "# imagesmith keys: begin\n"
            "AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u .ssh/authorized_keys\n"
            "# imagesmith keys: end\n"
            "UsePAM yes\nAuthorizedKeysFile .ssh/other\n"
        )

    def test_a_configuration_sshd_refuses_is_not_put_in_place(self) -> None:
        board = self.board()
        before = self.root.read_text("/etc/ssh/sshd_config")
        board.broken["sshd"] = "bad configuration option"

        assert self.failure(board) == "ssh: sshd: bad configuration option"

        assert before == self.root.read_text("/etc/ssh/sshd_config")
        assert not self.root.exists("/etc/ssh/sshd_config.imagesmith")

    def test_host_keys_that_are_there_are_kept(self) -> None:
        drive(self.board())
        before = self.root.read_text("/etc/ssh/ssh_host_ed25519_key.pub")
        self.root.remove("/var/lib/imagesmith/steps/ssh.done")

        assert drive(self.same_card()) == 0

        assert before == self.root.read_text("/etc/ssh/ssh_host_ed25519_key.pub")

    def test_a_host_key_cut_short_is_made_again(self) -> None:
        board = self.board()
        put(self.root, "/etc/ssh/ssh_host_ed25519_key", "-----BEGIN OPENSSH PRI")
        put(self.root, "/etc/ssh/ssh_host_ed25519_key.pub", "")

        assert drive(board) == 0

        assert (self.root.read_text("/etc/ssh/ssh_host_ed25519_key.pub") or "").startswith("ssh-ed25519 ")

    def test_known_hosts_come_from_the_slot(self) -> None:
        board = self.board(node=changed(NODE, known_hosts=["jetson0-node ssh-ed25519 AAAA"]))

        assert drive(board) == 0

        assert self.root.read_text("/etc/ssh/ssh_known_hosts") == "jetson0-node ssh-ed25519 AAAA\n"

    def test_a_user_who_lost_all_keys_in_the_recipe_loses_them_on_the_node(self) -> None:
        drive(self.board())
        put(self.root, "/etc/imagesmith/cluster.json", json.dumps(_with_user(ssh_authorized_keys=[])))

        assert drive(self.same_card()) == 0

        assert not self.root.exists("/etc/ssh/authorized_keys.d/guest")

    def test_without_sshd_the_step_says_what_is_missing(self) -> None:
        board = self.board()
        self.root.remove("/etc/ssh/sshd_config")

        assert self.failure(board) == (
            "ssh: /etc/ssh/sshd_config is missing: openssh-server is not installed"
        )


class MountsTest(BoardCase):
    def test_shares_are_mounted_on_first_use(self) -> None:
        board = self.board()
        board.server_up = True

        assert drive(board) == 0

        options = "_netdev,nofail,x-systemd.automount,x-systemd.mount-timeout=30,hard"
        assert (
            f"192.168.0.1:/media/nfs /media/share nfs {options} 0 0"
            in (self.root.read_text("/etc/fstab") or "").splitlines()
        )
        assert ["systemctl", "start", "home-guest.automount"] in board.calls
        assert self.detail_of("mounts") == "/media/share, /home/guest on first use"

    def test_without_the_nfs_client_the_step_says_so(self) -> None:
        board = self.board()
        self.root.remove("/sbin/mount.nfs")

        assert self.failure(board) == "mounts: NFS shares cannot be mounted: nfs-common is not installed"

    def test_a_cluster_without_shares_needs_no_client(self) -> None:
        board = self.board(changed(CLUSTER, mounts=[]))
        self.root.remove("/sbin/mount.nfs")

        assert drive(board) == 0

        assert self.detail_of("mounts") == "none"

    def test_a_blank_in_a_path_is_written_as_fstab_wants_it(self) -> None:
        share = {"from": "192.168.0.1:/media/my data", "to": "/media/my data", "options": []}
        board = self.board(changed(CLUSTER, mounts=[share]))

        assert drive(board) == 0

        assert "192.168.0.1:/media/my\\040data /media/my\\040data nfs " in (
            self.root.read_text("/etc/fstab") or ""
        )


class ModeTest(BoardCase):
    def _k8s(self) -> FakeBoard:
        cluster = changed(CLUSTER, mode={"kind": "k8s", "options": {}}, swap={"size_bytes": 0}, mounts=[])
        board = self.board(cluster)
        put(self.root, "/etc/modules-load.d/imagesmith-k8s.conf", "overlay\nbr_netfilter\n")
        put(self.root, "/etc/sysctl.d/90-imagesmith-k8s.conf", "")
        return board

    def test_mpi_knows_its_hosts_by_address(self) -> None:
        assert drive(self.board()) == 0

        assert self.root.read_text("/etc/imagesmith/hostfile") == (
            "192.168.0.10 slots=1\n192.168.0.11 slots=1\n192.168.0.12 slots=1\n"
        )

    def test_mpi_without_its_overlay_is_refused(self) -> None:
        board = self.board()
        self.root.remove("/usr/local/bin/cluster-run")

        assert self.failure(board) == (
            "mode: /usr/local/bin/cluster-run is missing: the image was built without the mpi overlay"
        )

    def test_k8s_without_its_overlay_is_refused(self) -> None:
        board = self._k8s()
        self.root.remove("/etc/sysctl.d/90-imagesmith-k8s.conf")

        assert self.failure(board) == (
            "mode: /etc/sysctl.d/90-imagesmith-k8s.conf is missing: "
            "the image was built without the k8s overlay"
        )

    def test_k8s_makes_the_nvidia_runtime_dockers_default_and_keeps_the_rest(self) -> None:
        board = self._k8s()
        board.installed |= {"dockerd", "nvidia-container-runtime"}
        put(
            self.root,
            "/etc/docker/daemon.json",
            '{"log-driver": "journald", "runtimes": {"crun": {"path": "c"}}}',
        )

        assert drive(board) == 0

        settings = json.loads(self.root.read_text("/etc/docker/daemon.json") or "")
        assert settings["default-runtime"] == "nvidia"
        assert settings["exec-opts"] == ["native.cgroupdriver=systemd"]
        assert settings["log-driver"] == "journald"
        assert sorted(settings["runtimes"]) == ["crun", "nvidia"]
        assert ["systemctl", "try-restart", "docker.service"] in board.calls

    def test_k8s_refuses_a_daemon_file_with_curly_quotes(self) -> None:
        board = self._k8s()
        board.installed |= {"dockerd", "nvidia-container-runtime"}
        put(self.root, "/etc/docker/daemon.json", "{\u201cdefault-runtime\u201d: \u201cnvidia\u201d}")

        assert self.failure(board) == (
            "mode: /etc/docker/daemon.json is not a JSON object: docker would not start either"
        )

    def test_k8s_tells_which_modules_the_kernel_lacks(self) -> None:
        board = self._k8s()
        board.broken["modprobe"] = "module not found"

        assert drive(board) == 0

        assert self.detail_of("mode") == (
            "no swap, no NVIDIA container runtime, kernel lacks overlay and br_netfilter"
        )

    def test_a_cluster_of_no_kind_is_ready_all_the_same(self) -> None:
        assert drive(self.board(changed(CLUSTER, mode={"kind": "none", "options": {}}))) == 0

        assert self.detail_of("mode") == "no cluster software asked for"

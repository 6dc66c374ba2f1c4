#!/bin/sh
# Turns a fresh Debian root ($1) into the shape of the stock image. mmdebstrap runs it after the last package.
# It lays `tree/` over the root; what a tree cannot say (links, accounts, generated files, absences) is said here.
set -eu

root=$1
cp -a "$(dirname "$0")/tree/." "$root/"

in_root() { chroot "$root" env LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"; }

# The switch: the default target is the wizard, not multi-user.
ln -sf /lib/systemd/system/nv-oem-config.target "$root/etc/systemd/system/nv-oem-config.target"
ln -sf nv-oem-config.target "$root/etc/systemd/system/default.target"
in_root systemctl enable nv-oem-config.service nvfb-early.service nvfb.service nv.service \
    nvzramconfig.service nv-l4t-bootloader-config.service NetworkManager.service ssh.service \
    systemd-timesyncd.service
# The stock image waits for no network either.
rm -f "$root/etc/systemd/system/network-online.target.wants/NetworkManager-wait-online.service"

for group in gpio crypto trusty i2c debug weston-launch; do
    in_root groupadd --force --system "$group"
done
in_root passwd --lock root
in_root locale-gen

# No kernel, but the place for one: the agent and the emulator's initramfs expect the folder.
mkdir -p "$root/lib/modules"

# One card's identity, the build's traces, and what would differ between two builds.
rm -rf "$root"/etc/ssh/ssh_host_* "$root"/var/log/apt "$root"/var/log/*.log "$root"/var/log/btmp \
    "$root"/var/log/lastlog "$root"/var/log/wtmp "$root"/var/log/faillog \
    "$root"/var/cache/ldconfig/aux-cache "$root"/var/cache/apt/*.bin "$root"/var/lib/apt/lists/* \
    "$root"/var/cache/debconf/*-old "$root"/var/lib/dpkg/*-old "$root"/var/lib/systemd/random-seed \
    "$root"/etc/passwd- "$root"/etc/group- "$root"/etc/shadow- "$root"/etc/gshadow- \
    "$root"/var/lib/dbus/machine-id
ln -s /etc/machine-id "$root/var/lib/dbus/machine-id"

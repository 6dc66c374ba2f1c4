#!/bin/sh
# Makes the root file system of the guest's system disk. Runs as the root of a private namespace, in the unpacked
# copy of its own folder: packages.txt and tree/ lie beside it.
#
# Reads MIRROR and KEYRING; writes an ext4 of ROOT_KIB at byte ROOT_OFFSET of the file DISK.
set -eu

packages=$(grep --invert-match --regexp='^#' --regexp='^$' packages.txt | paste --serial --delimiters=,)

# tree/ comes before the packages: it says what the initramfs shall hold.
# shellcheck disable=SC2016  # $1 is for the hook's shell: the root
mmdebstrap --mode=root --variant=minbase --architectures=amd64 --components=main --include="$packages" \
    --keyring="$KEYRING" --aptopt='Acquire::Retries "3"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/lib/modules/*/kernel/drivers/gpu/*' \
    --dpkgopt='path-exclude=/lib/modules/*/kernel/drivers/net/*' \
    --setup-hook='cp -a tree/. "$1/"' \
    --customize-hook='chroot "$1" systemctl enable imagesmith-probe.service' \
    bookworm root "$MIRROR"

# QEMU is handed these two, under names without a version.
ln root/boot/vmlinuz-* root/boot/vmlinuz
ln root/boot/initrd.img-* root/boot/initramfs

mke2fs -q -F -t ext4 -L guest-root \
    -E "offset=$ROOT_OFFSET,root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,nodiscard" \
    -d root "$DISK" "${ROOT_KIB}k"
echo "I: the guest's root file system is made"

#!/bin/sh
# Makes the stand-in's root file system. Runs as the root of a private namespace, in the unpacked copy of its own
# folder: packages.txt, packages.lock, tree/ and finish.sh lie beside it.
#
# Reads MIRROR, KEYRING, SOURCE_DATE_EPOCH; writes an ext4 of APP_KIB into the file IMAGE at byte APP_OFFSET, with
# the identifiers APP_UUID and HASH_SEED.
set -eu

packages=$(grep --invert-match --regexp='^#' --regexp='^$' packages.txt | paste --serial --delimiters=,)

# Python's byte code is the same each time only if its hashes are.
export PYTHONHASHSEED=0

# Only bullseye itself: the archive of a release that gets no more point releases stays as it is.
# Documentation, manuals and translations are left out; so is mmdebstrap's own clean-up, which would undo the
# tree's hostname and machine id: finish.sh cleans instead.
mmdebstrap --mode=root --variant=minbase --architectures=arm64 --components=main --include="$packages" \
    --keyring="$KEYRING" --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Retries "3"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/lintian/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-include=/usr/share/locale/locale.alias' \
    --skip=cleanup/reproducible --customize-hook="$PWD/finish.sh" \
    bullseye root "$MIRROR"

dpkg-query --admindir=root/var/lib/dpkg --show --showformat='${Package} ${Version}\n' | LC_ALL=C sort > installed
diff packages.lock installed ||
    echo "W: the mirror serves other versions than packages.lock names; this stand-in is not the pinned one"

# What the installation made carries the hour it was made; what came in packages is older and stays.
find root -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +

# The features of Ubuntu 18.04's mkfs, named one by one: kernel 4.9 and e2fsprogs 1.44 read nothing newer.
# No configuration file and no default may add to them.
export MKE2FS_CONFIG=/dev/null E2FSPROGS_FAKE_TIME="$SOURCE_DATE_EPOCH"
features=has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super
features=$features,large_file,huge_file,dir_nlink,extra_isize,metadata_csum
mke2fs -q -F -t ext4 -O "none,$features" -b 4096 -I 256 -i 16384 -m 5 -J size=32 -U "$APP_UUID" \
    -E "offset=$APP_OFFSET,hash_seed=$HASH_SEED,root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,nodiscard" \
    -d root "$IMAGE" "${APP_KIB}k"

# mke2fs copies change and access times, which no touch can set.
find root -mindepth 1 -printf "set_inode_field \"/%P\" ctime @$SOURCE_DATE_EPOCH\n" \
    -printf "set_inode_field \"/%P\" atime @$SOURCE_DATE_EPOCH\n" > stamps
debugfs -w -f stamps "$IMAGE?offset=$APP_OFFSET" > stamps.said 2>&1
echo "I: the root file system is made"

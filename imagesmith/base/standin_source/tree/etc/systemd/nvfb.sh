#!/bin/sh
# With the flag: makes this card's ssh host keys, then takes the flag away. Without it: nothing.
# Like the stock script it tries until dpkg is free and willing: a card with a broken dpkg hangs here.
set -eu

flag=/etc/nv/nvfirstboot
[ -e "$flag" ] || exit 0

while fuser --silent /var/cache/debconf/config.dat /var/lib/dpkg/lock; do
    sleep 1
done
until DEBIAN_FRONTEND=noninteractive dpkg-reconfigure openssh-server; do
    sleep 1
done
rm -f "$flag"

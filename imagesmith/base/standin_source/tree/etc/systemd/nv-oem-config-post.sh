#!/bin/sh
# Runs when the wizard ended, however it ended: the wizard goes away only once it has been answered.
set -eu

if [ "$(systemctl get-default)" = nv-oem-config.target ]; then
    echo "System configuration was not completed. Please reboot."
    exit 0
fi
systemctl disable nv-oem-config.service
rm -f /etc/systemd/system/nv-oem-config.target /lib/systemd/system/nv-oem-config.target \
    /lib/systemd/system/nv-oem-config.service /etc/systemd/nv-oem-config.sh /etc/nv-oem-config.conf

#!/usr/bin/dash
# Runs once inside the guest, as its first program: installs the packages, sets the system up, and turns the machine off.
busybox=/run/busybox
/softmetal/busybox mount -t proc proc /proc
/softmetal/busybox mount -t sysfs sysfs /sys
/softmetal/busybox mount -t tmpfs tmpfs /run
/softmetal/busybox cp /softmetal/busybox $busybox
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C TERM=dumb
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true SYSTEMD_OFFLINE=1

finish() {
    echo "softmetal: $1"
    cd /
    $busybox sync
    $busybox mount -o remount,ro / 2>/dev/null
    $busybox poweroff -f
}

# Whoever unpacked the tree on the host need not have been root.
$busybox find / -xdev -exec $busybox chown -h 0:0 {} +
for name in passwd group; do
    [ -e /etc/$name ] || $busybox cp /usr/share/base-passwd/$name.master /etc/$name
done
printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d # nobody starts services yet
chmod 755 /usr/sbin/policy-rc.d

dpkg --force-depends --force-unsafe-io --install /softmetal/essential/*.deb || finish "the essential packages failed"
dpkg --force-depends --force-unsafe-io --install /softmetal/other/*.deb
dpkg --force-unsafe-io --configure -a || finish "packages failed"

echo "softmetal: step setting the system up"
rm -f /usr/sbin/policy-rc.d
$busybox cp -a /softmetal/files/. /
passwd -q -d root
: > /etc/machine-id
if ! [ -s "/usr/lib/modules/$(uname -r)/modules.dep" ]; then # the host has no depmod
    echo "softmetal: step listing modules"
    depmod "$(uname -r)"
fi
# Debian's packages do not hold the kernel's symbols; the kernel does.
mkdir -p /boot
$busybox grep -v '\[' /proc/kallsyms > "/boot/System.map-$(uname -r)"
systemctl -q enable systemd-networkd.service systemd-resolved.service
systemctl -q disable systemd-networkd-wait-online.service
echo "softmetal: step giving back free space"
rm -rf /softmetal /var/cache/apt/archives/*.deb /var/log/dpkg.log /var/log/apt
fstrim / # what the packages took goes back to the host
finish "the image is ready"

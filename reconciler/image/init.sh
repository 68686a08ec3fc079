#!/bin/busybox sh
# The node's first program: check the initramfs, mount, load the NIC's driver, run the agent.
# There is no shell to fall into: whatever fails, the node says so and powers off.
B=/bin/busybox

end() {
    echo "ringfence-init: $1; powering off in 10 s"
    $B sleep 10
    $B poweroff -f
    $B sleep 60
}

# A machine with too little memory unpacks a part of its initramfs and boots on with that.
[ "$($B tail -n 1 /etc/ringfence/manifest)" = end ] || end "the initramfs is not whole (no end mark)"
$B sed '$d' /etc/ringfence/manifest >/expected
$B cut -d ' ' -f 2 /expected | $B xargs $B stat -c '%s %n' >/found || end "the initramfs is not whole (files missing)"
$B cmp -s /expected /found || end "the initramfs is not whole (sizes differ)"

$B mount -t proc -o nosuid,nodev,noexec proc /proc || end "cannot mount /proc"
$B mount -t sysfs -o nosuid,nodev,noexec sys /sys || end "cannot mount /sys"
$B mount -t devtmpfs -o nosuid,noexec dev /dev || end "cannot mount /dev"
$B mount -t securityfs -o nosuid,nodev,noexec security /sys/kernel/security || end "cannot mount securityfs"
$B mount -t tmpfs -o nosuid,nodev,mode=0755 run /run || end "cannot mount /run"
while read -r module; do
    $B insmod "/usr/lib/modules/$module" || end "cannot load $module"
done </etc/ringfence/modules
$B ip link set lo up

export PATH=/usr/bin:/bin HOME=/ TSS2_LOG=all+none
/usr/bin/python3.11 -I -S /usr/lib/ringfence
end "the agent ended with status $?"

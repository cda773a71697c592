#!/bin/busybox sh
# PID 1 of the virtual machine: mounts what a system has, runs /script, tells its exit code, powers off.
export PATH=/bin HOME=/ TERM=dumb
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
ip link set lo up
for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
    echo "+$controller"
done >/sys/fs/cgroup/cgroup.subtree_control

# The second serial port, which the kernel's command line names, carries what the script writes, byte by byte as it was written.
port=/dev/$(sed -n 's/.*output=\([^ ]*\).*/\1/p' /proc/cmdline)
stty -F "$port" raw -echo
(exec sh /script) </dev/null >"$port" 2>&1
code=$?
printf '\nepitaph-test-end %s\n' "$code" >"$port"
# Not before the last byte left the port.
stty -F "$port" sane
poweroff -f

#!/bin/busybox sh
# contain private|host CGROUP PROGRAM [ARG]...
#
# Runs PROGRAM as PID 1 of a container in the cgroup CGROUP, a path below /sys/fs/cgroup that exists: own mount and
# PID namespaces, a read-only /sys/fs/cgroup, and with `private`, as Docker does on cgroup v2, a cgroup namespace
# whose root CGROUP is; with `host` the container sees the whole hierarchy. Ends as PROGRAM ends.
namespace=$1
cgroup=$2
shift 2
case $namespace in private) unshare_cgroup=--cgroup ;; host) unshare_cgroup= ;; *) exit 125 ;; esac
export unshare_cgroup

# The unshare that waits stays outside of the cgroup, so that a kill of the whole group does not take it along. It
# is busybox's, which ends with 128+n as a shell does; util-linux's fails on a signal death (2.38.1), but only that
# one knows cgroup namespaces. The shell inside joins (0 is the process that writes) before its cgroup becomes the
# namespace's root.
exec unshare --mount --pid -f sh -c '
    echo 0 >"/sys/fs/cgroup/$0/cgroup.procs" || exit 125
    exec /usr/bin/unshare $unshare_cgroup --mount sh -c '\''
        mount -t proc proc /proc && umount /sys/fs/cgroup && mount -t cgroup2 -o ro cgroup2 /sys/fs/cgroup || exit 125
        unset unshare_cgroup
        exec "$@"
    '\'' contain "$@"
' "$cgroup" "$@"

# The first process of a sandbox machine. It begins in namespaces of its own but still with the host's files: it
# ties the machine to the bridge, builds the root from overlays, turns into it, and starts sshd. Then it takes
# orders, one a line. When the sandbox goes away the lines end, this ends, and with it all that runs in here.
#
# Working directory: the machine's own, with `fstab` and the empty directory `fs`.
# Arguments: pid of the sandbox, bridge, link, mac, ipv4/bits, ipv6/bits or -, host name, ssh-on|ssh-off,
#   number of installations that shall fail.
set -eu
sandbox=$1 bridge=$2 link=$3 mac=$4 ipv4=$5 ipv6=$6 name=$7 ssh=$8 fails=$9

# /proc is still the host's: this is our number over there.
read -r pid _ </proc/self/stat
echo "pid $pid"

nsenter --net="/proc/$sandbox/ns/net" \
  ip link add "$link" up master "$bridge" type veth peer name eth0 address "$mac" netns 1
{
  echo "link set lo up"
  echo "addr add $ipv4 dev eth0"
  [ "$ipv6" = - ] || echo "addr add $ipv6 dev eth0 nodad"
  echo "link set eth0 up"
} | ip -batch -
echo "$name" >/proc/sys/kernel/hostname

mount -a -T fstab
cd fs
pivot_root . mnt
cd /
umount -l /mnt

# What a container gets from Docker: no way to devices, modules, the clock, or the host's settings.
CAPABILITIES=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service
CAPABILITIES=$CAPABILITIES,+net_raw,+net_admin,+sys_chroot,+setfcap,+audit_write
confined() {
  exec setpriv --bounding-set="$CAPABILITIES" --inh-caps=-all --no-new-privs \
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"
}
sshd=
start_sshd() {
  confined /usr/sbin/sshd -D -e </dev/null >/dev/null 2>>/var/log/sshd.log &
  sshd=$!
}
order() {
  case $1 in
    ssh-on) [ -n "$sshd" ] || start_sshd ;;
    ssh-off) [ -z "$sshd" ] || kill "$sshd"; sshd= ;;
    fail-installs) echo "$2" >/run/sandbox/fail-installs ;;
  esac
}

order fail-installs "$fails"
order "$ssh"
# What Docker would have started again after a reboot.
if [ -d /var/lib/docker/standin ]; then
  confined /usr/bin/docker standin-boot </dev/null >/dev/null 2>&1 &
fi
# Orphans end up here. Bash clears away the dead even while it reads, and reads on; dash does neither.
echo up
while read -r word argument; do order "$word" "$argument"; done

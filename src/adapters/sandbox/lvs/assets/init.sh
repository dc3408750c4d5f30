#!/bin/sh
# The first process of a balancer, inside of it: what its service manager would do.
set -eu
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
mount -t proc proc /proc
mount -t sysfs sysfs /sys
grep -q '^devtmpfs /dev ' /proc/mounts || mount -t devtmpfs dev /dev
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
for directory in /run /tmp /root /var/log; do mount -t tmpfs -o mode=755 tmpfs "$directory"; done
chmod 1777 /tmp
mkdir -p /run/sshd /run/frr
chown frr:frr /run/frr
: >/etc/frr/vtysh.conf
. /etc/lazarus/network
hostname "$NAME"
for module in ip_vs ip_vs_wrr ip_vs_rr ip_vs_mh xt_ipvs iptable_nat; do modprobe "$module"; done
for pair in ip_forward=1 conf/all/rp_filter=0 conf/default/rp_filter=0 conf/eth0/rp_filter=0 conf/eth1/rp_filter=0; do
  echo "${pair#*=}" >"/proc/sys/net/ipv4/${pair%=*}"
done
ip link set lo up
ip addr add "$OUTSIDE" dev eth0
ip addr add "$INSIDE" dev eth1
for address in $LOCALS; do ip addr add "$address/32" dev lo; done
ip link set eth0 up
ip link set eth1 up
ip route add default via "$GATEWAY"
# A program that hangs on to these would keep the console open.
exec </dev/null >/run/boot.log 2>&1
/usr/lib/frr/zebra -d -A 127.0.0.1
/usr/lib/frr/ospfd -d -A 127.0.0.1
[ ! -s /etc/frr/frr.conf ] || vtysh -b
[ -e /etc/keepalived/keepalived.conf ] || echo '! nothing yet' >/etc/keepalived/keepalived.conf
keepalived -D
# It clears away processes whose parents are gone, as a first process must.
exec /usr/sbin/sshd -D -f /etc/lazarus/sshd_config

# The first process of a world of balancers, in namespaces of its own: the network here is the router's, with the
# switch that balancers and hosts share. All of it ends with this process, and this with the lines that it reads.
set -eu
# /proc is still the host's: this is our number over there.
read -r pid _ </proc/self/stat
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /etc/frr
mkdir -p /run/frr /run/netns /run/lazarus
: >/etc/frr/vtysh.conf
chown frr:frr /run/frr /etc/frr
# Flows, not addresses, are spread over the balancers: one client can see that there are two.
for pair in ip_forward=1 fib_multipath_hash_policy=1 conf/all/rp_filter=0 conf/default/rp_filter=0; do
  echo "${pair#*=}" >"/proc/sys/net/ipv4/${pair%=*}"
done
ip link set lo up
ip link add switch up type bridge stp_state 0 forward_delay 0
echo "pid $pid"
while read -r _; do :; done

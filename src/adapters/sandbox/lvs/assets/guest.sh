# Boots a balancer: a user-mode Linux on an overlay over this machine's own files. What it writes is kept in `upper`,
# so it comes back after a power cut with what it had. Runs in a PID namespace of its own, which ends it whole.
# Arguments: name, megabytes of memory, directory with files of its own.
set -eu
name=$1 memory=$2 files=$3
read -r pid _ </proc/self/stat
home=/run/lazarus/$name root=/run/lazarus/$name/root
mkdir -p "$home/upper" "$root"
rm -rf "$home/work" "$home/upper/tmp/$name"
mkdir "$home/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$home/upper,workdir=$home/work" "$root"
mount --rbind /dev "$root/dev"
kernel=$(ls /usr/lib/uml/modules)
# The machine's own settings of these programs are not a balancer's.
[ -e "$home/made" ] || rm -rf "$root/etc/frr" "$root/etc/keepalived" "$root/var/lib/lazarus"
mkdir -p "$root/lib/modules" "$root/etc/frr" "$root/etc/keepalived"
ln -sfn "/usr/lib/uml/modules/$kernel" "$root/lib/modules/$kernel"
[ -e "$home/made" ] || cp -aT "$files" "$root"
: >"$home/made"
mount -t proc proc "$root/proc"
echo "pid $pid"
chroot "$root" linux.uml "mem=${memory}M" "umid=$name" uml_dir=/tmp/ rootfstype=hostfs rootflags=/ rw \
  init=/etc/lazarus/init.sh "eth0=tuntap,$name" "eth1=tuntap,$name-in" con=null con0=null,fd:1 con1=null \
  quiet random.trust_cpu=on </dev/null

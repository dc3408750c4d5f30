# Boots a balancer: a user-mode Linux on an overlay over this machine's own files. What it writes is kept in `upper`,
# so it comes back after a power cut with what it had. Runs in a PID namespace of its own, which ends it whole.
# Arguments: name, megabytes of memory, directory with files of its own, first five bytes of its MACs.
set -eu
name=$1 memory=$2 files=$3 mac=$4
# /proc is still that of the stage: this is our number over there.
read -r pid _ </proc/self/stat
home=/run/lazarus/$name root=/run/lazarus/$name/root
mkdir -p "$home/upper" "$root"
rm -rf "$home/work" "$home/upper/tmp/$name"
mkdir "$home/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$home/upper,workdir=$home/work" "$root"
mount --rbind /dev "$root/dev"
if [ ! -e "$home/made" ]; then
  # The machine's own settings of these programs are not a balancer's.
  rm -rf "$root/etc/frr" "$root/etc/keepalived" "$root/var/lib/lazarus"
  kernel=$(ls /usr/lib/uml/modules)
  mkdir -p "$root/lib/modules" "$root/etc/frr" "$root/etc/keepalived"
  ln -sfn "/usr/lib/uml/modules/$kernel" "$root/lib/modules/$kernel"
  cp -aT "$files" "$root"
  : >"$home/made"
fi
mount -t proc proc "$root/proc"
echo "pid $pid"
chroot "$root" linux.uml "mem=${memory}M" "umid=$name" uml_dir=/tmp/ rootfstype=hostfs rootflags=/ rw \
  init=/etc/lazarus/init.sh "eth0=tuntap,$name,$mac:00" "eth1=tuntap,$name-in,$mac:01" con=null con0=null,fd:1 con1=null \
  quiet random.trust_cpu=on </dev/null

#!/bin/sh
# Keeps the revisions of a balancer, each whole in a directory of its own. `current` points at the one in force,
# `good` at the last one that proved itself. Every action may be repeated, and be cut off at any place.
#   begin <revision>     a copy of what is in force, to be changed; prints the digests of its files
#   finish <revision>    reads the digests that it must have; what is more is removed; then it is a revision
#   check <revision> <dialect>  has the programs of this machine look at it
#   activate <revision>  makes it the one in force; nothing is reloaded
#   reload [seconds]     tells the programs; prints what the machine did before, since the last good revision. With
#                        a number it goes back by itself when nothing has proved itself until then: a machine that
#                        nobody reaches any more cannot be told to
#   sources              translates sources as what is in force says, when nothing does since the machine's start
#   good                 what is in force has proved itself
#   keep                 what is in force stays, though nothing has proved itself: it does not go back by itself any more
#   revert               goes back to the last good one, and reloads
#   observe [brief]      prints what the machine does; brief: without its services
#   prune <count>        keeps so many of the newest
#   quiesce [by=<whom>] <vip> <address>...  these hosts of the VIP take no new connections
#   restore [by=<whom>] <vip> <address>...  they take them again, as before; by: only what was taken by the same
#   cost <cost>|default  how dear this machine's VIPs are to the routers, until it is told otherwise
# Exit codes: 66 the revision is not here, 75 another action is at work, 1 anything else.
set -eu
root=${LAZARUS_ROOT-}
home=$root/var/lib/lazarus/lvs

fail() {
  echo "lazarus-lvs: $*" >&2
  exit "${code:-1}"
}

# A revision is named by a SHA-256 in hex: nothing else is ever a path here.
named() {
  case ${1-} in
    *[!0-9a-f]* | '') fail "not a revision: ${1-}" ;;
  esac
  [ ${#1} -eq 64 ] || fail "not a revision: $1"
  dir=$home/$1
}

whole() {
  named "$1"
  [ -d "$dir" ] || code=66 fail "no revision $1 here: stage it first"
}

# Points link $1 at $2 by a rename, so that there is no moment without it.
point() {
  ln -sfn -- "$2" "$1.new"
  mv -fT -- "$1.new" "$1"
}

# Puts a link of ours where a program looks; what was there before stays beside it.
take_over() {
  if [ -e "$1" ] && [ ! -L "$1" ]; then mv -T -- "$1" "$1.before-lazarus"; fi
  mkdir -p -- "${1%/*}"
  point "$1" "$2"
}

link() { readlink -- "$home/$1" || true; }

# DPVS keeps the VIPs on the kernel's twin of its port.
observe_brief() {
  printf '== current\n%s\n== good\n%s\n' "$(link current)" "$(link good)"
  printf '== addresses\n' && ip -o -4 addr show | awk '$2 == "lo" || $2 ~ /[.]kni$/'
  printf '== neighbours\n' && observe_neighbours
  printf '\n== end\n'
}

# Quagga has no JSON: there it is the name of an interface, and none of that name is no error either.
observe_neighbours() {
  command -v vtysh >/dev/null || return 0
  runs=0
  said=$(timeout 15 vtysh -c 'show ip ospf neighbor json') || runs=$?
  case $said in
    *'{'*) printf '%s\n' "$said" ;;
    *) [ "$runs" -eq 124 ] || timeout 10 vtysh -c 'show ip ospf neighbor' || true ;;
  esac
}

# Without IPVS in the kernel there are no services.
observe_services() {
  printf '== listing\n' && { ipvsadm -Ln || true; }
  printf '== stats\n' && { ipvsadm -Ln --stats --exact || true; }
}

# What a routing daemon that has read file $1 must be told to be as if it had read $2: only what differs, so that
# neighbours stay, and what was set by hand beside it. Prefixes go last: what is announced by two stays announced.
routing_changes() {
  awk '
    function top(line) { return line !~ /^ / }
    function opens(line) { return line ~ /^(interface|router|route-map|line) / }
    function idle(line) { return line ~ /^!/ || line ~ /^ *$/ || line ~ /^ *(exit|end)$/ || line ~ /^frr / }
    function opposite(line) { sub(/^ */, "", line); return sub(/^no /, "", line) ? line : "no " line }
    function numbered(line) { return match(line, /^ip prefix-list [^ ]+ seq [0-9]+ /) ? substr(line, 1, RLENGTH) : "" }
    idle($0) { next }
    top($0) { head = $0 }
    FNR == NR && FILENAME == ARGV[1] { had[++olds] = $0; under[olds] = head; old[head, $0] = 1; next }
    { has[++news] = $0; within[news] = head; new[head, $0] = 1; if (numbered($0)) kept[numbered($0)] = 1 }
    END {
      for (i = 1; i <= olds; i++)
        if (!top(had[i]) && !((under[i], had[i]) in new)) print under[i] "\n " opposite(had[i]) "\nexit"
      for (i = 1; i <= news; i++)
        if (!((within[i], has[i]) in old) && !opens(has[i]))
          print top(has[i]) ? has[i] : within[i] "\n" has[i] "\nexit"
      for (i = 1; i <= olds; i++)
        if (numbered(had[i]) && !(numbered(had[i]) in kept)) print "no " had[i]
    }' "$1" "$2"
}

# Asks that daemon alone: with any other that runs, Quagga's vtysh passes over one that does not.
ospf_runs() { timeout "$1" vtysh -d ospfd -c 'show ip ospf' >/dev/null 2>&1; }

# Has the routing daemon take what is in force. It is told on its standard input: there is a key in it.
load_routing() {
  for file in routing/*.conf; do
    was=$home/.loaded-${file##*/}
    [ -f "$was" ] || : >"$was"
    if ! cmp -s -- "$was" "$file"; then
      runs=0
      ospf_runs 20 || runs=$?
      # One that is slow is not restarted: that would take every VIP away for a while.
      [ "$runs" -ne 124 ] || code=75 fail 'the routing daemon does not answer'
      if [ "$runs" -eq 0 ]; then
        said=$({ echo 'configure terminal' && routing_changes "$was" "$file" && echo end; } | timeout 30 vtysh 2>&1) ||
          fail "the routing daemon could not be told: $said"
        case "
$said" in *'
% '*) fail "the routing daemon refused: $said" ;; esac
      elif [ -f routing/frr.conf ]; then
        service frr restart >&2
      else
        service zebra restart >&2
        service ospfd restart >&2
      fi
      cp -- "$file" "$was.new"
      mv -f -- "$was.new" "$was"
    fi
  done
}

# Links the files of the routing daemon where it looks for them. A machine that has a cost of its own has copies with
# that in them, so that it keeps it when the daemon starts anew.
link_routing() {
  from=$home/current/routing
  if [ -f "$home/.cost" ]; then
    cost=$(cat -- "$home/.cost")
    from=$home/.dear
    mkdir -p -- "$from"
    for file in "$home"/current/routing/*.conf; do
      new=$from/${file##*/}
      cp -p -- "$file" "$new.new"
      case $file in
        */frr.conf) sed -i "s/^\( redistribute connected metric\) [0-9]*/\1 $cost/" "$new.new" ;;
        */ospfd.conf) printf 'interface lo\n ip ospf cost %s\n' "$cost" >>"$new.new" ;;
      esac
      mv -fT -- "$new.new" "$new"
    done
  fi
  if [ -f "$from/frr.conf" ]; then
    # Without it, vtysh says nothing at all.
    [ -e "$root/etc/frr/vtysh.conf" ] || { mkdir -p -- "$root/etc/frr" && : >"$root/etc/frr/vtysh.conf"; }
    take_over "$root/etc/frr/frr.conf" "$from/frr.conf"
  else
    take_over "$root/usr/local/etc/zebra.conf" "$from/zebra.conf"
    take_over "$root/usr/local/etc/ospfd.conf" "$from/ospfd.conf"
  fi
}

# Tells the running daemon the cost of this machine: that of what it redistributes, or that of lo.
tell_cost() {
  # One that does not run reads it when it starts.
  [ -f "$home/.cost" ] || ospf_runs 10 || return 0
  if [ -f "$home/current/routing/frr.conf" ]; then
    part='router ospf'
    line=$(grep -m 1 '^ redistribute connected ' "$root/etc/frr/frr.conf") || fail 'nothing is announced here'
  else
    part='interface lo'
    line='no ip ospf cost'
    [ ! -f "$home/.cost" ] || line="ip ospf cost $(cat -- "$home/.cost")"
  fi
  said=$(timeout 30 vtysh -c 'configure terminal' -c "$part" -c "${line# }" 2>&1) ||
    fail "the routing daemon could not be told: $said"
  case $said in *'% '*) fail "the routing daemon refused: $said" ;; esac
}

# Stops at what has not the shape of IPv4 addresses.
addresses() {
  for address; do
    case $address in *[!0-9.]* | '' | .* | *. | *..* | *.*.*.*.*) fail "not an address: $address" ;; *.*.*.*) ;;
      *) fail "not an address: $address" ;; esac
  done
}

# Of what ipvsadm saves ($1), the services of VIP $2 that have host $3: "100 -t 1.2.3.4:80 -r 5.6.7.8:80 -m".
services_of() {
  printf '%s\n' "$1" | awk -v vip="$2:" -v host="$3:" '
    $1 == "-a" && $4 == "-r" && index($3, vip) == 1 && index($5, host) == 1 {
      weight = 0; rest = ""
      for (i = 2; i <= NF; i++) if ($i == "-w") weight = $(++i); else rest = rest " " $i
      print weight rest
    }'
}

# Whether something listens on $1, `address:port`. keepalived touches a weight only when a check begins or ceases to
# pass: one given to a host that is down would stay.
listens() {
  command -v bash >/dev/null || return 0
  for _ in 1 2; do
    # shellcheck disable=SC2016 # the inner shell's
    ! timeout 3 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "${1%:*}" "${1#*:}" 2>/dev/null || return 0
  done
  return 1
}

# Where NAT is to do what FULLNAT does, hosts are asked from addresses of this machine.
load_sources() {
  exec 8>"$home/.sources"
  flock 8
  if [ ! -f "$home/current/snat.rules" ]; then
    forget_sources
    exec 8>&-
    return 0
  fi
  iptables-legacy-restore -w 10 --noflush <"$home/current/snat.rules"
  iptables-legacy -w 10 -t nat -C POSTROUTING -j LAZARUS-LVS 2>/dev/null ||
    iptables-legacy -w 10 -t nat -A POSTROUTING -j LAZARUS-LVS
  tracking=$root/proc/sys/net/ipv4/vs/conntrack
  [ ! -w "$tracking" ] || echo 1 >"$tracking"
  make_room
  exec 8>&-
}

# The last VIP of that kind is gone. A look at a table makes it, with all that it costs: only where there is one.
forget_sources() {
  grep -qsx nat "$root/proc/net/ip_tables_names" || return 0
  iptables-legacy -w 10 -t nat -n -L LAZARUS-LVS >/dev/null 2>&1 || return 0
  iptables-legacy -w 10 -t nat -F LAZARUS-LVS
}

# A connection has its place in a table for two minutes after its end, and when the table is full new ones are dropped
# without a word. What the kernel takes for it suits a machine that has other things to do; here it may have a quarter
# of the memory, at 384 bytes a place.
make_room() {
  most=$root/proc/sys/net/netfilter/nf_conntrack_max
  [ -w "$most" ] || return 0
  places=$(awk '$1 == "MemTotal:" { printf "%d", $2 * 1024 / 4 / 384 }' "$root/proc/meminfo")
  [ "$places" -gt "$(cat "$most")" ] || return 0
  echo "$places" >"$most"
  buckets=$root/proc/sys/net/netfilter/nf_conntrack_buckets
  [ ! -w "$buckets" ] || echo "$((places / 4))" >"$buckets"
}

# keepalived forgets a host that was down when it was taken out of its files: it stays in the kernel, with weight 0,
# and is in the way when it comes back.
forget_hosts() {
  ipvsadm -Sn 2>/dev/null | awk -v files="$(ls -1 -- "$home"/current/keepalived/*.conf)" '
    BEGIN {
      count = split(files, names, "\n")
      for (i = 1; i <= count; i++)
        while ((getline line < names[i]) > 0) {
          split(line, word, " ")
          if (group) { service = word[1] ":" word[2]; group = 0 }
          else if (word[1] == "virtual_server_group") group = 1
          else if (word[1] == "protocol") { name = (word[2] == "UDP" ? "-u " : "-t ") service; ours[name] = 1 }
          else if (word[1] == "real_server") wanted[name, word[2] ":" word[3]] = 1
        }
    }
    $1 == "-a" && $4 == "-r" && (($2 " " $3) in ours) && !((($2 " " $3), $5) in wanted) && / -w 0( |$)/ {
      print "-d", $2, $3, $4, $5
    }' | while read -r gone; do
    # shellcheck disable=SC2086 # words of ours and of ipvsadm
    ipvsadm $gone >&2 || true
  done
}

mkdir -p -- "$home"
if [ "${1-}" = unless-good ]; then
  sleep "$2"
  # Another action, or a routing daemon that is slow, may be in the way for a while.
  until sh "$0" revert "$3" || [ $? -eq 66 ]; do sleep 10; done
  exit 0
fi
if [ "${1-}" != observe ] && [ "${1-}" != sources ]; then
  exec 9>"$home/.lock"
  flock -w 60 9 || code=75 fail 'another action has been at work for a minute'
fi

case ${1-} in
  begin)
    named "${2-}"
    if [ ! -d "$dir" ]; then
      rm -rf -- "$dir.part"
      if [ -d "$home/current" ]; then cp -aT --reflink=auto -- "$(readlink -f "$home/current")" "$dir.part"; else mkdir -- "$dir.part"; fi
      dir=$dir.part
    fi
    cd -- "$dir"
    find . -type f -printf '%P\n' | LC_ALL=C sort | xargs -r -d '\n' sha256sum --
    ;;
  finish)
    named "${2-}"
    # By a digest, a key that somebody chose could be guessed.
    (umask 077 && cat >"$dir.sums")
    if [ -d "$dir" ]; then
      cd -- "$dir"
      sha256sum --quiet -c "$dir.sums" >&2 || fail "revision $2 was changed on this machine: remove $dir"
      rm -f -- "$dir.sums"
      touch -- "$dir"
      exit 0
    fi
    cd -- "$dir.part"
    # In one go: with a program for each of a thousand files it would take seconds.
    find . -type f -printf '%P\n' |
      awk -v sums="$dir.sums" 'BEGIN { while ((getline line < sums) > 0) wanted[substr(line, 67)] = 1 } !($0 in wanted)' |
      xargs -r -d '\n' rm -f --
    sha256sum --quiet -c "$dir.sums" >&2 || fail 'what arrived is not what was sent'
    # There is a key in them, and the routing daemon reads them after it has ceased to be root.
    chmod 0600 -- routing/*
    for group in frr quagga; do
      ! getent group "$group" >/dev/null || { chgrp "$group" -- routing/* && chmod 0640 -- routing/* && break; }
    done
    sync -f .
    rm -f -- "$dir.sums"
    # The same for all revisions, and needed by the look at this one.
    if [ -f sbin/vipctl ]; then
      mkdir -p -- "$root/usr/local/sbin"
      install -m 755 sbin/vipctl "$root/usr/local/sbin/vipctl.new"
      mv -fT -- "$root/usr/local/sbin/vipctl.new" "$root/usr/local/sbin/vipctl"
    fi
    # A copy is as old as what it was made from, and the oldest go first.
    touch -- "$dir.part"
    mv -T -- "$dir.part" "$dir"
    ;;
  check)
    whole "${2-}"
    runs=$(keepalived -v 2>&1 | sed -n '1s/.*[Kk]eepalived v\([0-9.]*\).*/\1/p')
    case ${3-} in
      keepalived)
        case $runs in '' | 0.* | 1.*) fail "stock keepalived 2 or later is needed, this is ${runs:-none}" ;; esac
        keepalived -t -f "$dir/keepalived/keepalived.conf" >&2
        ;;
      # These have no way to test a file: what is asked is that they are what the file is written for.
      dpvs) command -v dpip >/dev/null || fail 'this is no machine with DPVS: there is no dpip' ;;
      alibaba) case $runs in 1.*) ;; *) fail "keepalived of Alibaba's LVS (1.x) is needed, this is ${runs:-none}" ;; esac ;;
      *) fail "not a dialect: ${3-}" ;;
    esac
    for file in "$dir"/routing/*.conf; do
      tester=vtysh
      # Quagga's takes no file; its daemons do, and are not always on the path.
      case $file in */frr.conf) ;; *) tester=$(basename -- "$file" .conf) ;; esac
      tester=$(PATH=$root/usr/local/sbin:$root/usr/sbin:$root/usr/lib/quagga:$PATH && command -v "$tester") || continue
      "$tester" -C -f "$file" >&2
    done
    ;;
  activate)
    whole "${2-}"
    # Who puts another in force without a reload must not have it taken away and reloaded minutes later.
    [ "$(link current)" = "$2" ] || rm -f -- "$home/.armed"
    point "$home/current" "$2"
    take_over "$root/etc/keepalived" "$home/current/keepalived"
    link_routing
    ;;
  reload)
    case ${2-} in *[!0-9]*) fail "not a number of seconds: $2" ;; esac
    cd -- "$home/current"
    # Told twice, or to go back, what it did before the first time counts.
    if [ ! -f "$home/.before" ] || { [ -z "${reverts-}" ] && [ "$(link current)" = "$(link good)" ]; }; then
      observe_brief >"$home/.before.new"
      mv -f -- "$home/.before.new" "$home/.before"
    fi
    cat -- "$home/.before"
    # It is to try again, when it does not come to the end of going back.
    [ -n "${reverts-}" ] || rm -f -- "$home/.armed"
    if [ -n "${2-}" ] && [ -d "$home/good" ] && [ "$(link current)" != "$(link good)" ]; then
      echo "$$ $(date +%s%N)" >"$home/.armed"
      setsid sh "$0" unless-good "$2" "$(cat -- "$home/.armed")" </dev/null >/dev/null 2>&1 9>&- &
    fi
    # After a revert, copies are those of another revision.
    link_routing
    # Routes first: a VIP that comes up is announced at once. What did not change is left alone.
    load_routing
    [ ! -f "$home/.cost" ] || tell_cost
    load_sources
    pid=$(cat "$root/run/keepalived.pid" 2>/dev/null) || pid=none
    # A number may have another owner by now. And before its first file, keepalived cannot run.
    if grep -qs keepalived "/proc/$pid/comm"; then
      kill -HUP "$pid"
    else
      service keepalived start >&2 || fail 'keepalived does not run, and could not be started'
    fi
    [ -z "${reverts-}" ] || rm -f -- "$home/.armed"
    ;;
  sources)
    iptables-legacy -w 10 -t nat -C POSTROUTING -j LAZARUS-LVS 2>/dev/null || load_sources
    ;;
  good)
    [ -d "$home/current" ] || fail 'nothing is in force'
    point "$home/good" "$(link current)"
    rm -f -- "$home/.before" "$home/.armed"
    forget_hosts
    ;;
  keep)
    rm -f -- "$home/.armed"
    ;;
  revert)
    # By itself: unless something has proved itself, or was told anew, since that was agreed.
    [ -z "${2-}" ] || [ "$(cat -- "$home/.armed" 2>/dev/null)" = "$2" ] || exit 0
    [ -d "$home/good" ] || code=66 fail 'there is no good revision to go back to'
    point "$home/current" "$(link good)"
    exec 9>&-
    reverts=1 exec sh "$0" reload
    ;;
  observe)
    umask 077
    if [ "${2-}" = brief ]; then
      observe_brief
    else
      all=$home/.observed.$$
      trap 'rm -f -- "$all"' EXIT
      { observe_services && observe_brief; } >"$all"
      # What is longer than an answer may be is packed.
      if [ "$(wc -c <"$all")" -lt 500000 ]; then cat -- "$all"; else gzip -c -- "$all" | base64; fi
    fi
    ;;
  prune)
    case ${2-} in *[!0-9]* | '') fail "not a count: ${2-}" ;; esac
    cd -- "$home"
    rm -rf -- *.part *.sums
    find . -maxdepth 1 -name '.observed.*' -mmin +10 -delete
    keep=" $(link current) $(link good) "
    # shellcheck disable=SC2012 # names are digests
    ls -1t | grep -xE '[0-9a-f]{64}' | tail -n "+$(($2 + 1))" | while read -r old; do
      case $keep in *" $old "*) ;; *) rm -rf -- "$old" ;; esac
    done
    ;;
  quiesce | restore)
    action=$1 by=
    shift
    case ${1-} in by=*) by=${1#by=} && shift ;; esac
    case $by in *[!A-Za-z0-9._~-]*) fail "not a name: $by" ;; esac
    [ $# -ge 2 ] || fail "usage: $action [by=<whom>] <vip> <address>..."
    vip=$1
    shift
    addresses "$vip" "$@"
    # Which weights we took away, and for whom: gone with a reboot, as they are.
    marks=$root/run/lazarus/quiet
    mkdir -p -- "$marks"
    # Otherwise, clients that are kept on a host (persistence) come back to it for new connections.
    sticky=$root/proc/sys/net/ipv4/vs/expire_quiescent_template
    [ "$action" = restore ] || [ ! -w "$sticky" ] || echo 1 >"$sticky"
    saved=$(ipvsadm -Sn)
    set -f
    for host; do
      services_of "$saved" "$vip" "$host" | while read -r weight service; do
        # shellcheck disable=SC2086 # words that ipvsadm has printed
        set -- $service
        mark=$marks/$2,$4$1
        if [ "$action" = quiesce ]; then
          [ "$weight" -gt 0 ] || continue
          echo "$weight $by" >"$mark"
          ipvsadm -e "$@" -w 0
        elif [ -f "$mark" ]; then
          had=$(cat -- "$mark")
          # What another drain has taken is not ours to give back.
          [ -z "$by" ] || [ "${had#* }" = "$by" ] || continue
          if [ "$weight" -gt 0 ]; then :; elif [ "$1" = -u ] || listens "$4"; then
            ipvsadm -e "$@" -w "${had%% *}"
          else
            echo "$4 does not listen: it has its weight back when its check passes"
          fi
          rm -f -- "$mark"
        fi
      done
    done
    ;;
  cost)
    [ -d "$home/current" ] || fail 'nothing is in force'
    case ${2-} in
      default) rm -f -- "$home/.cost" ;;
      *[!0-9]* | '' | 0* | ??????*) fail "not a cost: ${2-}" ;;
      *)
        [ "$2" -le 65535 ] || fail "not a cost: $2"
        echo "$2" >"$home/.cost.new"
        mv -fT -- "$home/.cost.new" "$home/.cost"
        ;;
    esac
    link_routing
    tell_cost
    ;;
  *) fail "no such action: ${1-}" ;;
esac

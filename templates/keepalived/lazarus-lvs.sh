#!/bin/sh
# Keeps the revisions of a balancer, each whole in a directory of its own. `current` points at the one in force,
# `good` at the last one that proved itself. Every action may be repeated, and be cut off at any place.
#   begin <revision>     a copy of what is in force, to be changed; prints the digests of its files
#   finish <revision>    reads the digests that it must have; what is more is removed; then it is a revision
#   check <revision>     has the programs of this machine look at it
#   activate <revision>  makes it the one in force; nothing is reloaded
#   reload               tells the programs
#   good                 what is in force has proved itself
#   revert               goes back to the last good one, and reloads
#   observe              prints what the machine does
#   prune <count>        keeps so many of the newest
set -eu
root=${LAZARUS_ROOT-}
home=$root/var/lib/lazarus/lvs

fail() {
  echo "lazarus-lvs: $*" >&2
  exit 1
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
  [ -d "$dir" ] || fail "no revision $1 here: stage it first"
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

mkdir -p -- "$home"
exec 9>"$home/.lock"
flock -w 60 9 || fail 'another action has been at work for a minute'

case ${1-} in
  begin)
    named "${2-}"
    if [ ! -d "$dir" ]; then
      rm -rf -- "$dir.part"
      if [ -d "$home/current" ]; then cp -alT -- "$(readlink -f "$home/current")" "$dir.part"; else mkdir -- "$dir.part"; fi
      dir=$dir.part
    fi
    cd -- "$dir"
    find . -type f -printf '%P\n' | LC_ALL=C sort | xargs -r -d '\n' sha256sum --
    ;;
  finish)
    named "${2-}"
    [ ! -d "$dir" ] || exit 0
    cd -- "$dir.part"
    cat >"$dir.sums"
    find . -type f -printf '%P\n' | while IFS= read -r file; do
      grep -qxE "[0-9a-f]{64}  $(printf %s "$file" | sed 's/[.]/[.]/g')" "$dir.sums" || rm -f -- "$file"
    done
    sha256sum --quiet -c "$dir.sums" >&2 || fail 'what arrived is not what was sent'
    sync -f .
    rm -f -- "$dir.sums"
    # The same for all revisions, and needed by the look at this one.
    if [ -f sbin/vipctl ]; then
      mkdir -p -- "$root/usr/local/sbin"
      install -m 755 sbin/vipctl "$root/usr/local/sbin/vipctl.new"
      mv -fT -- "$root/usr/local/sbin/vipctl.new" "$root/usr/local/sbin/vipctl"
    fi
    mv -T -- "$dir.part" "$dir"
    ;;
  check)
    whole "${2-}"
    if ! grep -qE '^ *(lb_kind FNAT|local_address_group )' "$dir"/keepalived/*.conf; then
      keepalived -t -f "$dir/keepalived/keepalived.conf" >&2
    fi
    for file in "$dir"/routing/*.conf; do
      command -v vtysh >/dev/null || break
      vtysh -C -f "$file" >&2
    done
    ;;
  activate)
    whole "${2-}"
    point "$home/current" "$2"
    take_over "$root/etc/keepalived" "$home/current/keepalived"
    if [ -f "$dir/routing/frr.conf" ]; then
      take_over "$root/etc/frr/frr.conf" "$home/current/routing/frr.conf"
    else
      take_over "$root/usr/local/etc/zebra.conf" "$home/current/routing/zebra.conf"
      take_over "$root/usr/local/etc/ospfd.conf" "$home/current/routing/ospfd.conf"
    fi
    ;;
  reload)
    cd -- "$home/current"
    # Routes first: a VIP that comes up is announced at once. What did not change is left alone.
    routes=$(cat routing/* | sha256sum)
    if [ "$routes" != "$(cat "$home/.routes" 2>/dev/null)" ]; then
      if [ -f routing/ospfd.conf ]; then
        service zebra restart >&2
        service ospfd restart >&2
      elif [ -x /usr/lib/frr/frr-reload.py ]; then
        /usr/lib/frr/frr-reload.py --reload "$root/etc/frr/frr.conf" >&2
      else
        vtysh -b >&2
      fi
      echo "$routes" >"$home/.routes"
    fi
    if [ -f snat.rules ]; then
      iptables-legacy-restore --noflush <snat.rules
      iptables-legacy -t nat -C POSTROUTING -j LAZARUS-LVS 2>/dev/null ||
        iptables-legacy -t nat -A POSTROUTING -j LAZARUS-LVS
    fi
    pid=$(cat "$root/run/keepalived.pid" 2>/dev/null) || fail 'keepalived does not run: start it'
    kill -HUP "$pid"
    ;;
  good)
    [ -d "$home/current" ] || fail 'nothing is in force'
    point "$home/good" "$(readlink "$home/current")"
    ;;
  revert)
    [ -d "$home/good" ] || fail 'there is no good revision to go back to'
    point "$home/current" "$(readlink "$home/good")"
    exec 9>&-
    exec sh "$0" reload
    ;;
  observe)
    printf '== current\n%s\n' "$(readlink "$home/current" || true)"
    printf '== good\n%s\n' "$(readlink "$home/good" || true)"
    printf '== listing\n' && ipvsadm -Ln
    printf '== stats\n' && ipvsadm -Ln --stats --exact
    printf '== addresses\n' && ip -o -4 addr show dev lo
    printf '== neighbours\n'
    if command -v vtysh >/dev/null; then vtysh -c 'show ip ospf neighbor json' || true; fi
    printf '\n== end\n'
    ;;
  prune)
    case ${2-} in *[!0-9]* | '') fail "not a count: ${2-}" ;; esac
    cd -- "$home"
    rm -rf -- *.part *.sums
    keep=" $(readlink current || true) $(readlink good || true) "
    # shellcheck disable=SC2012 # names are digests
    ls -1t | grep -xE '[0-9a-f]{64}' | tail -n "+$(($2 + 1))" | while read -r old; do
      case $keep in *" $old "*) ;; *) rm -rf -- "$old" ;; esac
    done
    ;;
  *) fail "no such action: ${1-}" ;;
esac

# Asks a URL again and again, each time over a new connection, until standard input ends; requests under way then are
# waited for. Prints a line for each: begin and end in milliseconds since 1970, exit code of curl, status, host, the
# address that it was asked from. Arguments: URL, how many at once, seconds between two requests of one worker, seconds
# that a request may take.
set -eu
url=$1 workers=$2 pause=$3 patience=$4
stop=$(mktemp -u /run/lazarus/load.XXXXXX)
work() {
  until [ -e "$stop" ]; do
    began=$(date +%s%3N)
    said=$(curl -s --max-time "$patience" -o /dev/null -w '%{exitcode} %{http_code} %header{x-host} %header{x-from}' "$1") || :
    echo "$began $(date +%s%3N) $said"
    sleep "$pause"
  done
}
for _ in $(seq "$workers"); do work "$url" & done
cat >/dev/null
: >"$stop"
wait
rm -f "$stop"

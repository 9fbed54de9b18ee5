#!/bin/bash
# throughput.sh ZIS FOLDER [MB] - zis fetch, hash and flush included, against curl for one file (2000
# MB unless told) from a Hub on loopback. FOLDER is on the disk to be measured (/dev/shm: none).
# Needs curl, a quiet machine, and three times the file's size. No test: it prints figures.
set -u
zis=$(realpath "$1") folder=$2 mb=${3:-2000}
dir=$(mktemp -d "$folder/zis-throughput-XXXXXX") || exit 1
trap 'kill $hub; rm -rf "$dir"' EXIT
mkdir -p "$dir/srv/Org/m"
head -c $((mb * 1000000)) /dev/urandom >"$dir/srv/Org/m/w.safetensors"
"$(dirname "$zis")/test_hub" "$dir/srv" &
hub=$!
until [ -e "$dir/srv/.ports" ]; do sleep 0.05; done
read -r port _ <"$dir/srv/.ports"
export HF_ENDPOINT=http://127.0.0.1:$port HF_HUB_CACHE=$dir/cache
"$zis" fetch Org/m --dry-run | tail -n 1 # the Hub computes its hashes now
commit=$("$zis" fetch Org/m --dry-run --json | sed -n 's/.*"commit": "\([0-9a-f]*\)".*/\1/p')

now() { date +%s%N; }
for round in 1 2 3; do
    sync
    from=$(now)
    curl -sL -o "$dir/by-curl" "$HF_ENDPOINT/Org/m/resolve/$commit/w.safetensors"
    curl_written=$(now)
    sync -d "$dir/by-curl"
    curl_flushed=$(now)
    rm "$dir/by-curl"
    sync
    zis_from=$(now)
    "$zis" fetch Org/m -q &
    pid=$! memory=0
    while kill -0 $pid 2>/dev/null; do
        m=$(sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' /proc/$pid/status 2>/dev/null)
        [ "${m:-0}" -le "$memory" ] || memory=$m
        sleep 0.05
    done
    wait $pid || exit 1
    zis_to=$(now)
    rm -rf "$dir/cache"
    awk -v mb="$mb" -v a=$((curl_written - from)) -v b=$((curl_flushed - from)) -v c=$((zis_to - zis_from)) \
        -v m="$memory" -v r=$round 'BEGIN {
        printf "round %d: curl %.0f MB/s (flushed: %.0f), zis fetch %.0f MB/s = %.0f %% (%.0f %%), memory %.1f MB\n",
            r, mb / a * 1e9, mb / b * 1e9, mb / c * 1e9, 100 * a / c, 100 * b / c, m / 1000 }'
done

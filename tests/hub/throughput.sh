#!/bin/bash
# throughput.sh ZIS FOLDER [MB [ROUNDS]] - zis fetch, hash and flush included, against curl for one
# file (2000 MB and 3 rounds unless told) from a Hub on loopback. FOLDER is on the disk to be measured
# (/dev/shm: none). Needs curl, a quiet machine, three times the file's size. No test: it prints figures.
set -u
zis=$(realpath "$1") folder=$2 mb=${3:-2000} rounds=${4:-3}
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

TIMEFORMAT='%R %U %S' # seconds of the clock, and of computing
sample() { # the most memory that zis has of its own, looked at twice a second
    local most=0 m
    while m=$(sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$1/status" 2>/dev/null) && [ "$m" ]; do
        [ "$m" -le "$most" ] || most=$m
        echo "$most" >"$dir/memory"
        sleep 0.5
    done
}
for round in $(seq "$rounds"); do
    sync
    { time curl -sL -o "$dir/by-curl" "$HF_ENDPOINT/Org/m/resolve/$commit/w.safetensors"; } 2>"$dir/curl"
    { time sync -d "$dir/by-curl"; } 2>"$dir/flush"
    rm "$dir/by-curl"
    sync
    {
        time {
            "$zis" fetch Org/m -q &
            pid=$!
            sample $pid &
            watch=$!
            wait $pid || echo "zis fetch failed" >&2
        }
    } 2>"$dir/zis"
    wait $watch
    rm -rf "$dir/cache"
    echo "$(cut -d' ' -f1 "$dir/curl") $(cut -d' ' -f1 "$dir/zis")" >>"$dir/rounds"
    cat "$dir/curl" "$dir/flush" "$dir/zis" "$dir/memory" | awk -v mb="$mb" -v r=$round '
        NR == 1 { wall = $1; cpu = $2 + $3 } NR == 2 { flush = $1 } NR == 3 { zis = $1; zcpu = $2 + $3 }
        END { printf "round %d: curl %.0f MB/s, flushed %.0f; zis fetch %.0f MB/s = %.0f %%, %.0f %%; ", r,
              mb / wall, mb / (wall + flush), mb / zis, 100 * wall / zis, 100 * (wall + flush) / zis
              printf "computing %.2f s and %.2f s; memory %.1f MB\n", cpu, zcpu, $1 / 1000 }'
done
sort -n "$dir/rounds" | awk 'NR == 1 { curl = $1; zis = $2 } $2 < zis { zis = $2 }
    END { printf "shortest of each: curl %.2f s, zis fetch %.2f s = %.0f %%\n", curl, zis, 100 * curl / zis }'

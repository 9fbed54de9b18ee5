#!/bin/bash
# zis fetch killed with -9 at random moments (6 of them; 50 with ./test --all): the next one goes on,
# the result is the same to the bit, and hardly a byte comes twice.
. "$(dirname "$0")/lib/common.bash" "$@"
. "$(dirname "$0")/lib/hub.bash"
kills=6
[ -z "${ZIS_TEST_ALL:-}" ] || kills=50
mkdir -p "$srv/Org/m/sub"
head -c 60000000 /dev/urandom >"$srv/Org/m/sub/big.safetensors" # four chunks, the last one short
head -c 120000 /dev/urandom >"$srv/Org/m/small.safetensors"
echo '{"a": 1}' >"$srv/Org/m/config.json"
start_hub
# each of four connections 8 MB a second, so that a kill meets several of them half way
slow="data big 0 slow 8000000"
size=60000000
killed=0 round=0 most_lost=0

finish_round() {
    faults_keep_log
    ok "the rest" fetch Org/m
    same_tree models--Org--m Org/m sub/big.safetensors small.safetensors config.json
    sleep 0.1
    local bytes
    bytes=$(sent /sub/big)
    [ "$bytes" -ge "$size" ] || fail "only $bytes bytes were sent"
    # what is under way when a process ends is lost: no more than a chunk (16 MiB) for each kill, and
    # here, where little is under way, much less
    [ $((bytes - size)) -le $((round * 2097152)) ] ||
        fail "$((bytes - size)) bytes came twice after $round kills"
    [ $round = 0 ] || [ $(((bytes - size) / round)) -le $most_lost ] || most_lost=$(((bytes - size) / round))
    ls "$HF_HUB_CACHE"/models--Org--m/blobs/*.incomplete 2>/dev/null && fail "left behind"
    fresh
    round=0
    faults "$slow"
}
faults_keep_log() { : >"$srv/.faults"; }

faults "$slow"
while [ $killed -lt $kills ]; do
    "$zis" fetch --retry-wait 0.02 --timeout 1 -q Org/m >out 2>err &
    pid=$!
    sleep 0.$((RANDOM % 400 + 100))
    if kill -9 $pid 2>/dev/null; then
        killed=$((killed + 1))
        round=$((round + 1))
    fi
    wait $pid 2>/dev/null
    rc=$?
    [ $rc = 137 ] || [ $rc = 0 ] || fail "exit code $rc: $(cat err)"
    [ ! -e "$HF_HUB_CACHE/models--Org--m/refs/main" ] || finish_round
done
finish_round
echo "$killed kills, at most $most_lost bytes lost for one"
finish

#!/bin/bash
# Ctrl-C: exit code 130, soon, nothing left behind; the second one ends at once.
. "$(dirname "$0")/lib/common.bash" "$@"

# Waits for the first line that says it denoises.
wait_for_steps() {
    for _ in $(seq 200); do
        grep -q denoising err && return
        sleep 0.05
    done
    fail "it never denoised: $(cat err)"
}

for signal in INT TERM; do
    "$zis" generate x -W 256 -H 256 --steps 1000 -o c.png >out 2>err &
    pid=$!
    wait_for_steps
    start=$(date +%s%N)
    kill -$signal $pid
    wait $pid
    rc=$?
    ms=$((($(date +%s%N) - start) / 1000000))
    want=130
    [ $signal = INT ] || want=143
    [ $rc = $want ] || fail "SIG$signal: exit code $rc: $(cat err)"
    [ -n "$sanitized" ] || [ $ms -lt 2000 ] || fail "SIG$signal took $ms ms"
    has err "cancelled"
    [ "$(ls)" = "err
out" ] || fail "left behind: $(ls)"
done

# In JSON the reason has a code.
"$zis" generate x -W 256 -H 256 --steps 1000 -o c.png --json >out 2>err &
pid=$!
wait_for_steps
kill -INT $pid
wait $pid
has out '"ok": false, "error": {"code": "cancelled"'
finish

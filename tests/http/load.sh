#!/bin/bash
# Many at once: 100 streams, 1000 jobs queued and cancelled; nothing stays behind.
. "$(dirname "$0")/lib/http.bash" "$@"
start --queue 1100 --connections 300 -q
if [ -n "$sanitized" ]; then jobs=200; else jobs=1000; fi

resident() {
    ask GET /metrics
    sed -n 's/^process_resident_memory_bytes //p' body
}
threads() { ls "/proc/$server_pid/task" | wc -l; }
files() { ls "/proc/$server_pid/fd" | wc -l; }

submit "$tiny"
until_state "$id" done
submit "$long"
running=$id
until_state "$running" running
"$client" jobs "$port" "$jobs" || fail "jobs queued and cancelled (a first time)"
before=$(resident) t=$(threads) f=$(files)
"$client" jobs "$port" "$jobs" || fail "jobs queued and cancelled"
ask GET /api/v1/status
want 200 .queued 0
after=$(resident)
# What has ended is kept up to a number, so the second thousand may cost what it holds.
[ -n "$sanitized" ] || [ "$after" -lt $((before + 24000000)) ] || fail "memory grows from $before to $after"

# 100 streams see every change of a job of their own session, while it is drawn.
ask DELETE "/api/v1/jobs/$running"
until_state "$running" cancelled
"$client" streams "$port" 100 || fail "100 streams"

sleep 0.6
now=$(threads)
[ "$now" -le "$t" ] || fail "threads: $t before, $now after"
now=$(files)
[ "$now" -le $((f + 2)) ] || fail "open files: $f before, $now after"
stop
finish

#!/bin/bash
# /health while a job of nano runs: 99 of 100 answers within 5 ms, with one thread at work and with one for each CPU.
#
# Prints median and 99th percentile. Alone, on a quiet machine, after `./test http/health`:
#     bash tests/http/health.sh "$PWD/build-test/zis" "$PWD" "$PWD/build-test/http_client"
. "$(dirname "$0")/lib/http.bash" "$@"

for t in 1 $(nproc); do
    start -q -t "$t"
    ask GET /api/v1/status
    want 200 .threads "$t"
    submit "$long"
    until_state "$id" running
    printf '%s threads at work: ' "$t" >&2
    "$client" health "$port" 2000 || fail "/health is slow while $t threads work"
    ask GET "/api/v1/jobs/$id"
    want 200 .state running
    stop
done
finish

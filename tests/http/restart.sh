#!/bin/bash
# What a crash and a stop leave: nothing that was called done is lost, and it says what became of the rest.
. "$(dirname "$0")/lib/http.bash" "$@"
start

# ---- kill -9: what was called done is there ----
submit "$tiny, \"seed\": 11, \"session\": \"kept\""
kept=$id
until_state "$kept" done
cp body object
ask GET "/api/v1/jobs/$kept/image"
cp body kept.png
submit "$long"
lost=$id
until_state "$lost" running
kill -9 "$server_pid"
wait "$server_pid" 2>/dev/null
start --grace 200
ask GET "/api/v1/jobs/$kept"
want 200
cmp -s body object || fail "the job came back changed"
ask GET "/api/v1/jobs/$kept/image"
cmp -s body kept.png || fail "the picture came back changed"
ask GET "/api/v1/jobs/$lost"
refused 404 not_found
curl -sN --max-time 1 "$base/api/v1/events?session=kept" >events
has events "\"jobs\": \[\"$kept\"\]"
ls data/results | grep -v "^$kept" | grep -q '\.tmp$' && fail "half files are left: $(ls data/results)"
ls data/results | grep -q "$lost" && fail "the lost job left files"

# One folder, one server.
"$zis" serve --port 0 --data "$dir/data" >out 2>err && fail "a second server on the same folder"
has err 'another zis serve keeps its results'

middling=400
[ -z "$sanitized" ] || middling=60
# ---- SIGTERM: the running job is finished, or cancelled, and it says which ----
submit '"prompt": "x", "width": 64, "height": 64, "steps": '"$middling"
until_state "$id" running
finished=$id
submit "$tiny, \"session\": \"waits\""
dropped=$id
stop
[ "$server_rc" = 0 ] || [ "$server_rc" = 143 ] || fail "stopped with exit code $server_rc"
has server.err 'the running job was finished; 1 waiting job was cancelled'
start --grace 0
ask GET "/api/v1/jobs/$finished"
[ "$status" = 404 ] && fail "the finished job was lost: $(head -c 300 body)"
ask GET "/api/v1/jobs/$dropped"
want 200 .state cancelled
want 200 '.images | length' 0
curl -sN --max-time 1 "$base/api/v1/events?session=waits" >events
has events "\"jobs\": \[\"$dropped\"\]"
ask DELETE "/api/v1/jobs/$dropped"
want 200
ls data/results | grep -q "$dropped" && fail "a forgotten job left its list"
submit "$long"
until_state "$id" running
stop
has server.err 'the running job was cancelled'
start
ask GET "/api/v1/jobs/$id"
want 200 .state cancelled
stop
finish

#!/bin/bash
# Which models stay loaded between jobs, and which go when --memory has no room for both.
. "$(dirname "$0")/lib/http.bash" "$@"

loaded() { # NAMES: of those that say so
    ask GET /api/v1/models
    want 200 '[.models[] | select(.loaded) | .name] | sort | join(" ")' "$1"
}
draw() { # MODEL [STATE]
    submit "$tiny, \"model\": \"$1\""
    until_state "$id" "${2:-done}"
}

start
loaded ''
# what is not here tells what its download takes
ask GET /api/v1/models
want 200 '.models[] | select(.name == "turbo") | [.present, .bytes, .fetch] | join(" ")' 'false 32832238038 zis fetch turbo'
draw nano-turbo
loaded nano-turbo
draw nano-base
loaded 'nano-base nano-turbo'
ask GET /api/v1/status
want 200 .model nano-base
stop

# one fits, both do not: their transformers differ, the rest is shared
start --memory 70M
draw nano-turbo
draw nano-base
loaded nano-base
draw nano-turbo
loaded nano-turbo
# while a job runs, too
submit "$long, \"model\": \"nano-base\""
until_state "$id" running
for _ in $(seq 200); do
    ask GET /api/v1/models
    [ "$(jq -r '[.models[] | select(.loaded) | .name] | join(" ")' body)" = nano-base ] && break
    sleep 0.05
done
loaded nano-base
ask DELETE "/api/v1/jobs/$id"
until_state "$id" cancelled
stop

start --memory 1.5GiB
draw nano-turbo
draw nano-base
loaded 'nano-base nano-turbo'
stop

for size in '' 0 8Q 8GG much -1 1e9 0.5 G 8iB 99999999T; do
    timeout 5 "$zis" serve --port 0 --data "$dir/no" --memory "$size" >out 2>err
    rc=$?
    [ $rc = 2 ] || fail "--memory '$size': $rc"
    has err "must be a size such as 8G or 512M, not '$size'"
done
# a model that there can never be is told at the start; one that may still come is waited for
bad 1 "there is no model 'nope'" "$zis" serve -m nope --port 0 --data "$dir/other"
bad 1 "there is no model './nope'" "$zis" serve -m ./nope --port 0 --data "$dir/other"
[ -e "$dir/other" ] && fail "the server that did not start left its folder"
for model in turbo someone/something; do
    start -m "$model"
    post /api/v1/jobs '{"prompt": "x"}'
    submitted=$(jq -r '.id // empty' body)
    [ -z "$submitted" ] || until_state "$submitted" failed
    has body 'zis fetch'
    stop
done

finish

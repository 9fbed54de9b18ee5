# What the tests of the server share. Sourced: `. lib/http.bash ZIS SOURCE_DIR CLIENT`.
. "$(dirname "${BASH_SOURCE[0]}")/../../cli/lib/common.bash" "$1" "$2"
client=${3:-}
unset ZIS_API_KEY PORT
server_pid=

# start [options...]: a server on a free port, with its data in ./data; sets $base and $port
start() {
    : >server.out # the address of the one before is not this one's
    "$zis" serve --port 0 --data "$dir/data" -t 1 "$@" >server.out 2>>server.err &
    server_pid=$!
    for _ in $(seq 400); do
        base=$(sed -n 's/^Z-Image Studio is at //p' server.out)
        [ -n "$base" ] && break
        kill -0 "$server_pid" 2>/dev/null || break
        sleep 0.02
    done
    [ -n "$base" ] || { fail "the server did not start: $(cat server.err)"; finish; }
    port=${base##*:}
}

# stop: by SIGTERM; its last words are in server.err
stop() {
    [ -n "$server_pid" ] || return 0
    kill -TERM "$server_pid" 2>/dev/null
    wait "$server_pid"
    server_rc=$?
    server_pid=
}
undo+=('[ -z "$server_pid" ] || { kill -9 "$server_pid"; wait "$server_pid"; } 2>/dev/null')

# ask METHOD PATH [curl options]: status in $status, answer in ./body, headers in ./head
ask() {
    local method=$1 path=$2
    shift 2
    status=$(curl -s -o body -D head -w '%{http_code}' --max-time 60 -X "$method" "$base$path" "$@")
}

json='content-type: application/json'
# post PATH JSON [curl options]
post() {
    local path=$1 text=$2
    shift 2
    ask POST "$path" -H "$json" -d "$text" "$@"
}

# want STATUS [JQ [VALUE]]: the last answer has this status, and jq says this of it
want() {
    [ "$status" = "$1" ] || { fail "line ${BASH_LINENO[0]}: status $status, not $1: $(head -c 600 body)"; return; }
    [ $# -gt 1 ] || return 0
    local got
    got=$(jq -r "$2" body 2>&1)
    [ "$got" = "${3-true}" ] || fail "line ${BASH_LINENO[0]}: $2 is '$got', not '${3-true}': $(head -c 600 body)"
}

# refused STATUS CODE [WORDS]: an error of this shape
refused() {
    [ "$status" = "$1" ] || { fail "line ${BASH_LINENO[0]}: status $status, not $1: $(head -c 600 body)"; return; }
    local code message
    code=$(jq -r '.error.code' body 2>&1)
    message=$(jq -r '.error.message' body 2>&1)
    [ "$code" = "$2" ] || fail "line ${BASH_LINENO[0]}: code '$code', not '$2'"
    case $message in *"${3-}"*) ;; *) fail "line ${BASH_LINENO[0]}: no '$3' in: $message" ;; esac
}

# The smallest job that goes through every stage, as JSON members.
tiny='"prompt": "x", "width": 32, "height": 32, "steps": 1'
# One that does not end by itself soon.
long='"prompt": "x", "width": 256, "height": 256, "steps": 1000'

# submit MEMBERS: sets $id
submit() {
    post /api/v1/jobs "{$1}"
    want 202
    id=$(jq -r .id body)
}

# until_state ID STATE: an end is waited for on the stream, which costs nothing
until_state() {
    case $2 in done | failed | cancelled) curl -sN --max-time 120 -o /dev/null "$base/api/v1/jobs/$1/events" ;; esac
    poll_state "$1" "$2"
}
# poll_state ID STATE: asks until it is so
poll_state() {
    local i
    for i in $(seq 1500); do
        kill -0 "$server_pid" || { fail "the server has gone: $(tail -n 40 server.err)"; finish; }
        ask GET "/api/v1/jobs/$1"
        [ "$(jq -r .state body)" = "$2" ] && return
        case $(jq -r .state body) in done | failed | cancelled) break ;; esac
        sleep 0.02
    done
    fail "line ${BASH_LINENO[0]}: job $1 is not $2: $(head -c 600 body)"
}

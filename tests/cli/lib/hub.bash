# A Hub on loopback (tests/hub/hub.c) and a cache of our own. Sourced behind common.bash.
hub_program=$(dirname "$zis")/test_hub
unset HF_TOKEN HF_TOKEN_PATH HUGGING_FACE_HUB_TOKEN HF_HUB_OFFLINE http_proxy https_proxy HTTPS_PROXY \
    all_proxy ALL_PROXY no_proxy NO_PROXY SSL_CERT_FILE
srv=$dir/srv
mkdir -p "$srv"
export HF_HOME=$dir/home HOME=$dir/nobody
export HF_HUB_CACHE=$dir/cache
turbo=models--Tongyi-MAI--Z-Image-Turbo
base=models--Tongyi-MAI--Z-Image
hub_pid=

start_hub() { # OPTION...
    rm -f "$srv/.ports"
    "$hub_program" "$srv" "$@" &
    hub_pid=$!
    for _ in $(seq 200); do
        [ -e "$srv/.ports" ] && break
        sleep 0.02
    done
    read -r hub_port data_port <"$srv/.ports" || fail "the Hub of the tests did not start"
    export HF_ENDPOINT=http://127.0.0.1:$hub_port
}
stop_hub() {
    [ -z "$hub_pid" ] || { kill "$hub_pid" && wait "$hub_pid"; } 2>/dev/null
    hub_pid=
}
undo+=(stop_hub)

# faults LINE...: from now on; none without arguments. The log starts anew.
faults() {
    : >"$srv/.log"
    printf '%s\n' "$@" >"$srv/.faults.new"
    mv "$srv/.faults.new" "$srv/.faults"
}

# fetch ARG...: with short waits; progress in ./err, answers in ./out
fetch() { "$zis" fetch --retry-wait 0.02 --timeout 1 "$@"; }
fresh() { rm -rf "$HF_HUB_CACHE"; }

git_blob_hash() { { printf 'blob %s\0' "$(stat -c %s "$1")" && cat "$1"; } | sha1sum | cut -d' ' -f1; }

# same_tree REPO-FOLDER ORG/NAME FILE...: the entry holds exactly these files, as hub.md 2 says
same_tree() {
    local entry=$HF_HUB_CACHE/$1 id=$2 commit file hash link up rest
    shift 2
    commit=$(cat "$entry/refs/main") || { fail "no refs/main"; return; }
    [[ $commit =~ ^[0-9a-f]{40}$ ]] && [ "$(stat -c %s "$entry/refs/main")" = 40 ] ||
        fail "refs/main is no commit without a newline"
    {
        for file; do
            hash=$(sha256sum <"$srv/$id/$file" | cut -d' ' -f1)
            [ -e "$entry/blobs/$hash" ] || hash=$(git_blob_hash "$srv/$id/$file")
            echo "f blobs/$hash"
            up=../../blobs rest=$file
            while [[ $rest == */* ]]; do up=../$up rest=${rest#*/}; done
            echo "l snapshots/$commit/$file $up/$hash"
            cmp -s "$srv/$id/$file" "$entry/snapshots/$commit/$file" || fail "$file differs"
        done
        echo "f refs/main"
    } | sort -u >want
    (cd "$entry" && find . -type f -printf 'f %P\n' -o -type l -printf 'l %P %l\n') | sort >got
    diff want got >tree.diff || fail "the tree of $id: $(cat tree.diff)"
}

# sent SUBSTRING: bytes of bodies that were sent for such targets
sent() { awk -v s="$1" 'index($3, s) { n += $6 } END { print n + 0 }' "$srv/.log"; }

#!/bin/bash
# zis fetch against a Hub that misbehaves: each fault ends in a complete, verified cache or in one
# clear sentence, and nothing leaves the cache's folder.
. "$(dirname "$0")/lib/common.bash" "$@"
. "$(dirname "$0")/lib/hub.bash"
mkdir -p "$srv/Org/m/sub"
head -c 20000000 /dev/urandom >"$srv/Org/m/sub/big.safetensors" # two chunks
head -c 150000 /dev/urandom >"$srv/Org/m/small.safetensors"
echo '{"a": 1}' >"$srv/Org/m/config.json"
files=(sub/big.safetensors small.safetensors config.json)
cp -r "$srv/Org/m" "$srv/Org/s" && head -c 300000 /dev/urandom >"$srv/Org/s/sub/big.safetensors"
start_hub

# Where ranges matter the large repository is asked, else the small one.
pick() {
    id=Org/$1
    entry=$HF_HUB_CACHE/models--Org--$1
    big=$(stat -c %s "$srv/$id/sub/big.safetensors")
}

# heals WHAT MOST FAULT...: in spite of the faults all is there, and of the big file at most MOST
# bytes were sent
heals() {
    local what=$1 most=$2 bytes
    shift 2
    fresh
    faults "$@"
    ok "$what" fetch "$id"
    same_tree "models--Org--${id#*/}" "$id" "${files[@]}"
    sleep 0.05 # the server writes down what it sent when it notices the end
    bytes=$(sent "data/$id/sub/big")
    [ "$bytes" -le "$most" ] || fail "$what: $bytes bytes of the big file were sent"
}
# fails WHAT PATTERN FAULT...: one sentence; no ref; the next try has no old faults to bear
fails() {
    local what=$1 pattern=$2
    shift 2
    fresh
    faults "$@"
    bad 1 "$pattern" fetch "$id" --retries 2 --json
    grep -q '"ok": false, "error": {"code": ' out || fail "$what: no error in JSON"
    [ ! -e "$entry/refs/main" ] || fail "$what: a ref without its files"
}
slack=3000000 # what may be under way when a connection breaks

# Connections that break, at any place; each file goes on where it stopped.
pick m
heals "resets" $((big + slack)) "data big 3 reset 5000000" "data small 2 reset 100000" "hub config 1 status 503" \
    "api revision 1 reset 0" "api tree 2 cut 0"
heals "reset before the first byte" $big "data big 2 reset 0" "data small 1 cut 0"
heals "truncations" $((big + slack)) "data big 4 cut 3000000" "data small 1 cut 1"
heals "silence" $((big + slack)) "data big 1 stall 100"
pick s
heals "slow bytes" $big "data small 1 slow 400000"
fails "never a byte" "[Ff]ailure when receiving\|[Rr]eset\|no bytes" "data big 0 reset 0"

# Answers that ask for patience, or say no.
heals "server errors" $big "data big 1 status 500" "data small 1 status 502" "hub big 1 status 504" \
    "api tree 1 status 503" "api revision 1 status 500"
heals "rate limit" $big "data big 1 status 429 1" "api revision 1 status 429 1"
has err "429.*trying again in 1 s"
fails "rate limit without end" "too many requests from here (429).*set HF_TOKEN" "api revision 0 status 429"
fails "wait for hours" "too many requests" "api revision 0 status 429 7200"
fails "wait for hours, later" "asks to wait 120 minutes" "data small 0 status 429 7200"
fails "no end of errors" "Org/s/sub/big.safetensors: the server answered 500" "data big 0 status 500"
pick m
heals "a signed address that expires" $((big + slack)) "data big 1 reset 18000000" "data big 1 status 403"
pick s
fails "an address that is refused" "403" "data small 0 status 403"
fails "an endless page" "404" "data small 0 page"
fails "gone" "lists 'small.safetensors', but does not have it (404)" "hub small 0 status 404 EntryNotFound"

# Sizes, ranges, hashes that do not fit.
fails "another size" "the server has 149000 bytes, the Hub lists 150000" "data small 0 size 149000"
fails "too large" "the server has 150001 bytes, the Hub lists 150000" "data small 0 size 150001"
heals "another size once" $((2 * big)) "data big 1 size 7" "data small 2 size 99"
heals "no length" $big "data small 1 chunked"
heals "no length, cut" $big "data small 1 chunked" "data small 1 cut 1000"
pick m
heals "416" $big "data small 1 status 416" "data big 2 status 416"
heals "another range" $((2 * big)) "data big 1 badrange"
fails "always another range" "another range came than was asked for" "data big 0 badrange"
heals "no ranges" $((2 * big + slack)) "data big 0 norange"
heals "a byte is wrong, once" $((2 * big)) "data big 1 corrupt 1234567" "data small 1 corrupt 5"
pick s
fails "always 416" "416" "data big 0 status 416"
fails "a byte is always wrong" "small.safetensors: what came has the hash [0-9a-f]*..., the Hub lists" \
    "data small 0 corrupt 5"
ls "$entry"/blobs/*.incomplete 2>/dev/null | grep -q . && fail "wrong bytes were kept"

# The content changes behind a name.
pick m
heals "another ETag half way" $((2 * big)) "data big 1 reset 6000000" "data big 1 etag another" "data big 1 reset 9000000"
heals "an ETag that is always another" $((3 * big)) "data big 1 reset 4000000" "data big 1 etag a" "data big 1 etag b" \
    "data big 1 etag c" "data big 1 etag d"
pick s
fails "the Hub names another content" "gives another content (ffffffff.*) than it listed" \
    "hub small 0 linked $(printf 'f%.0s' $(seq 64))"

# Redirects in circles, to nowhere, to what is no web.
fails "a loop" "redirects in circles" "hub small 0 loop"
fails "a loop behind the redirect" "redirects in circles" "data small 0 loop"
fails "a loop of the API" "redirects in circles" "api revision 0 loop"
fails "to a file" "not safe\|address that is none" "hub small 0 redirect file:///etc/passwd"
fails "to nowhere" "connect" "hub small 0 redirect http://127.0.0.1:1/x"

# Lists that lie. Each name is tried: none is written outside, none is written at all.
"$hub_program" --tree "$srv" Org/s >tree
lists() { # WHAT PATTERN SED-SCRIPT
    sed "$3" tree >"$srv/Org/s.tree"
    cmp -s tree "$srv/Org/s.tree" && fail "$1: the list is the same"
    fails "$1" "$2"
    [ -z "$(find "$dir" -newer "$srv/Org/s.tree" -type f ! -path "$dir/srv/*" ! -path "$HF_HUB_CACHE/*" \
        ! -name err ! -name out)" ] || fail "$1: something was written outside the cache"
    [ ! -e "$HF_HUB_CACHE" ] || [ -z "$(find "$HF_HUB_CACHE" -name '*.json' -o -type l)" ] || fail "$1: it was written"
}
names=(../../../../evil.json /etc/evil.json 'a\\u0000b.json')
[ -z "${ZIS_TEST_ALL:-}" ] || # the unit test has them all, too
    names+=(sub/../../evil.json ./config.json a//b.json sub/.. 'a\\\\b.json' 'a\\nb.json'
        "$(printf 'x%.0s' $(seq 300)).json" '')
for name in "${names[@]}"; do
    lists "name '$name'" "is no name of a file that may be written" "s|\"path\":\"config.json\"|\"path\":\"$name\"|"
done
lists "twice" "lists 'small.safetensors' twice" 's|"path":"config.json"|"path":"small.safetensors"|'
lists "file and folder" "lists 'sub' as a file and as a folder" 's|"path":"config.json"|"path":"sub"|'
lists "no hash" "a hash (\"oid\") of 40" 's|"oid":"[0-9a-f]\{40\}"|"oid":"../../../../evil"|'
lists "short hash" "a hash (\"oid\") of 64" 's|\("lfs":{"oid":"[0-9a-f]\{63\}\)[0-9a-f]|\1|'
lists "absurd size" "is not believed" 's|"size":150000|"size":9000000000000000000|g'
lists "negative size" "is not believed" 's|"size":150000|"size":-1|g'
lists "huge size" "number\|integer\|fit" 's|"size":150000|"size":1e99|g'
lists "more than the disk" "needs 15000.* GB, but only" 's|"size":150000|"size":15000000000000|g'
lists "no list" "a list of files was expected" 's|^\[|{"a":[|; s|\]$|]}|'
lists "cut" "byte" 's|.\{20\}$||'
lists "no JSON" "byte" 's|^|<html>|'
sed 's|"size":150000|"size":150007|g' tree >"$srv/Org/s.tree"
fails "another size than the list" "the server has 150000 bytes, the Hub lists 150007"
sed 's|"oid":"[0-9a-f]*","size":9|"oid":"0123456789012345678901234567890123456789","size":9|' tree >"$srv/Org/s.tree"
fails "another hash than the list" "config.json: the Hub gives another content"
rm "$srv/Org/s.tree"

# A cache that somebody prepared: links that lead out of it are not followed, nor written through.
fresh
faults
echo mine >victim
hash=$(sha256sum <"$srv/Org/s/small.safetensors" | cut -d' ' -f1)
mkdir -p "$entry/blobs"
ln -s "$dir/victim" "$entry/blobs/$hash.7a697300.incomplete"
bad 1 "cannot open .*$hash" fetch Org/s
[ "$(cat victim)" = mine ] || fail "a file outside the cache was written"
rm "$entry/blobs/$hash.7a697300.incomplete"
ln -s "$dir/victim" "$entry/blobs/$hash"
ok "a blob that leads out" fetch Org/s
[ "$(cat victim)" = mine ] || fail "a file outside the cache was written"
same_tree models--Org--s Org/s "${files[@]}"
finish

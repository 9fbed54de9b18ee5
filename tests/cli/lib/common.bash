# What the tests of the whole program share. Sourced: `. lib/common.bash ZIS SOURCE_DIR`.
set -u
zis=$1
src=$2
export ZIS_MODELS=$src/models HF_HUB_CACHE=/nonexistent LC_ALL=C
unset HF_HOME XDG_CACHE_HOME ZIS_CPU

dir=$(mktemp -d)
undo=()
cleanup() {
    cd /
    for step in "${undo[@]}"; do eval "$step"; done
    rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir" || exit 1

# Sanitizers keep address space of their own and are slow.
sanitized=
grep -q -e __asan_init -e __tsan_init "$zis" && sanitized=1

fails=0
fail() {
    echo "FAIL: $*" >&2
    fails=$((fails + 1))
}
skip() {
    echo "skipped: $*"
}

# The smallest picture that goes through every stage.
small=(-W 48 -H 32 --steps 1 -t 1)

# ok WHAT command...: must succeed; output in ./out, messages in ./err
ok() {
    local what=$1
    shift
    "$@" >out 2>err || fail "$what: exit code $?: $(cat err)"
}

# bad CODE PATTERN command...: must fail with this code and one sentence that holds the pattern
bad() {
    local code=$1 pattern=$2
    shift 2
    "$@" >out 2>err
    local rc=$?
    [ $rc = "$code" ] || fail "$*: exit code $rc, not $code: $(cat err)"
    grep -q -- "^zis: .*$pattern" err || fail "$*: no '$pattern' in: $(cat err)"
    [ "$(grep -c '^zis: ' err)" = 1 ] || fail "$*: not one sentence: $(cat err)"
}

# has FILE PATTERN
has() {
    grep -q -- "$2" "$1" || fail "no '$2' in $1: $(head -c 2000 "$1")"
}

png_magic() {
    [ "$(head -c 8 "$1" | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ] || fail "$1 is no PNG"
}

finish() {
    [ $fails = 0 ] || exit 1
}

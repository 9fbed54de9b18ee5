#!/bin/bash
# run.sh SOURCE_DIR - ./run builds when something changed and only then, one at a time, from any
# folder. cmake, ninja and the package tools are stand-ins that write down that they were called.
set -eu
source=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "run.sh: $*"; exit 1; }

house="$tmp/a house with blanks"
mkdir -p "$house/src/cli" "$house/web" "$house/tools" "$tmp/bin"
cp "$source/run" "$house"
cp "$source/tools/build.sh" "$house/tools"
touch "$house/CMakeLists.txt" "$house/src/cli/main.c" "$house/tools/embed.cmake"

stand_in() { cat >"$tmp/bin/$1"; chmod +x "$tmp/bin/$1"; }
stand_in cmake <<<'#!/bin/sh
echo cmake >>"$CALLS"'
stand_in ninja <<<'#!/bin/sh
echo ninja >>"$CALLS"
sleep 0.3
[ ! -e "$CALLS.break" ] || { echo "FAILED: main.c"; echo "main.c:1: oops"; exit 1; }
printf "#!/bin/sh\necho zis \"\$@\" in \$(pwd); exit 7\n" >"$2/zis"
chmod +x "$2/zis"'
stand_in dpkg-query <<<'#!/bin/sh
[ -e "$CALLS.lacking" ] && lacking=libpng-dev || lacking=
for p; do [ "$p" = "$lacking" ] || echo "installed $p"; done'
stand_in id <<<'#!/bin/sh
echo 1000'
stand_in apt-get <<<'#!/bin/sh
echo apt-get "$@" >>"$CALLS"; exit 100'
stand_in sudo <<<'#!/bin/sh
exit 1'
export CALLS=$tmp/calls PATH=$tmp/bin:$PATH
calls() { grep -c "$1" "$CALLS" || true; }
: >"$CALLS"

cd /
said=$("$house/run" a "b c" 2>"$tmp/err") && fail "the exit code of zis was lost" || [ $? = 7 ] || fail "wrong exit code"
[ "$said" = "zis a b c in /" ] || fail "zis was not given its arguments and folder: $said"
[ "$(calls ninja)" = 1 ] || fail "the first call must build"
grep -q building "$tmp/err" || fail "the first call must say that it builds"

"$house/run" 2>"$tmp/err" >/dev/null || true
[ "$(calls ninja)" = 1 ] || fail "the second call must not build"
[ ! -s "$tmp/err" ] || fail "the second call must say nothing"

builds_after() { # WHAT: counts once more after a change
    local before
    before=$(calls ninja)
    "$house/run" >/dev/null 2>&1 || true
    [ "$(calls ninja)" = $((before + 1)) ] || fail "must build after $1"
    "$house/run" >/dev/null 2>&1 || true
    [ "$(calls ninja)" = $((before + 1)) ] || fail "must not build twice after $1"
}
sleep 0.02
echo 1 >"$house/src/cli/main.c" && builds_after "an edit"
sleep 0.02
touch "$house/src/cli/new.c" && builds_after "a new file"
sleep 0.02
rm "$house/src/cli/new.c" && builds_after "a file is deleted"
sleep 0.02
touch "$house/CMakeLists.txt" && builds_after "a change of CMakeLists.txt"
rm "$house/build/zis" && builds_after "the program is gone"
mv "$house" "$tmp/moved" && house=$tmp/moved && builds_after "the checkout moved"

# several at once: one builds, all run
before=$(calls ninja)
sleep 0.02
touch "$house/src/cli/main.c"
for i in 1 2 3; do "$house/run" $i >"$tmp/out.$i" 2>/dev/null & done
wait
[ "$(calls ninja)" = $((before + 1)) ] || fail "three calls at once must build once"
for i in 1 2 3; do [ "$(cat "$tmp/out.$i")" = "zis $i in /" ] || fail "call $i of three did not run"; done

# a build that fails: code 1, the compiler's words, and no old program instead
sleep 0.02
touch "$house/src/cli/main.c" "$CALLS.break"
"$house/run" >"$tmp/out" 2>"$tmp/err" && fail "a failed build must fail" || [ $? = 1 ] || fail "a failed build must give 1"
grep -q oops "$tmp/err" || fail "a failed build must show what the compiler said"
[ ! -s "$tmp/out" ] || fail "a failed build must not run the old program"
rm "$CALLS.break"

# a package lacks and may not be installed: the command to do it by hand, code 1
touch "$CALLS.lacking"
"$house/run" >/dev/null 2>"$tmp/err" && fail "a lacking package must fail" || [ $? = 1 ] || fail "a lacking package must give 1"
grep -q 'apt-get install.* libpng-dev$' "$tmp/err" || fail "the command to install by hand is missing: $(cat "$tmp/err")"
rm "$CALLS.lacking"
"$house/run" >/dev/null 2>&1 || [ $? = 7 ] || fail "must build again when all is there"
echo "run.sh: ok"

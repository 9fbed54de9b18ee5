#!/bin/sh
# web.sh [PATTERN] - the page in a browser: layout of its code, every state, and the studio as people use it.
#
# Chromium and node from Debian (a node that is there already will do), playwright-core, axe-core and biome from
# npm, by the versions and sums in tests/web/package-lock.json; nothing of it is shipped. Screenshots of every
# state are left in build-test/browser/shots. Ends with the closing line.
set -u
root=$(cd "$(dirname "$0")/.." && pwd -P) || exit 1
. "$root/tools/build.sh"

build=$root/build-test
web=$build/browser
lock_build "$build"
# shellcheck disable=SC2086 # lists of packages
need_packages "$build/apt.log" $build_packages $test_packages $web_packages
say "building zis"
cmake_build "$build" zis -DCMAKE_BUILD_TYPE=Release -DZIS_TESTS=ON || {
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
}
unlock_build

mkdir -p "$web/shots" || exit 1
if ! cmp -s "$root/tests/web/package-lock.json" "$web/package-lock.json" || [ ! -d "$web/node_modules" ]; then
    say "fetching what the browser tests need from npm"
    cp "$root/tests/web/package.json" "$root/tests/web/package-lock.json" "$web" &&
        (cd "$web" && npm ci --no-audit --no-fund --ignore-scripts) >"$web/npm.log" 2>&1 || {
        rm -f "$web/package-lock.json"
        tail -n 20 "$web/npm.log" >&2
        say "npm could not install what the browser tests need (the whole log: $web/npm.log)"
        echo "0 passed, 1 failed, 0 skipped"
        exit 1
    }
fi

passed=0 failed=0
if "$web/node_modules/.bin/biome" check --config-path="$root/tools/biome.json" --error-on-warnings \
    "$root/web" "$root/tests/web"; then passed=1; else failed=1; fi

rm -f "$web/shots"/*.png
ZIS=$build/zis ZIS_NODE_MODULES=$web/node_modules ZIS_SHOTS=$web/shots node --test --test-concurrency=1 \
    --test-reporter=tap --test-reporter-destination=stdout ${1:+--test-name-pattern="$1"} \
    "$root"/tests/web/*.test.mjs >"$web/results.tap" 2>"$web/results.err"
status=$?
# what a person wants to see: a line a test, figures, and all of what failed
sed -nE '/^ *(duration_ms|type|---|\.\.\.)/d; s/^# \\#/#/p; /^(not )?ok |^ {2,}/p' "$web/results.tap" | grep -v '# SKIP'
count() { sed -nE "s/^# $1 ([0-9]+)\$/\1/p" "$web/results.tap" | tail -n 1; }
ok=$(count pass) bad=$(count fail) gone=$(count cancelled)
passed=$((passed + ${ok:-0})) failed=$((failed + ${bad:-0} + ${gone:-0}))
if [ "$status" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
[ "$failed" = 0 ] || cat "$web/results.err" >&2
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]

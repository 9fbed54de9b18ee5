#!/bin/sh
# clients.sh - existing clients, unchanged, against zis serve: the openai package of npm. Ends with the closing line.
#
# By the version and sum in tests/http/clients/package-lock.json; nothing of it is shipped.
set -u
root=$(cd "$(dirname "$0")/.." && pwd -P) || exit 1
. "$root/tools/build.sh"

build=$root/build-test
clients=$build/clients
lock_build "$build"
# shellcheck disable=SC2086 # lists of packages
need_packages "$build/apt.log" $build_packages $test_packages $web_packages
say "building zis"
cmake_build "$build" zis -DCMAKE_BUILD_TYPE=Release -DZIS_TESTS=ON || {
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
}
unlock_build

mkdir -p "$clients" || exit 1
if ! cmp -s "$root/tests/http/clients/package-lock.json" "$clients/package-lock.json" || [ ! -d "$clients/node_modules" ]; then
    say "fetching the openai client from npm"
    cp "$root/tests/http/clients/package.json" "$root/tests/http/clients/package-lock.json" "$clients" &&
        (cd "$clients" && npm ci --no-audit --no-fund --ignore-scripts) >"$clients/npm.log" 2>&1 || {
        rm -f "$clients/package-lock.json"
        tail -n 20 "$clients/npm.log" >&2
        say "npm could not install the client (the whole log: $clients/npm.log)"
        echo "0 passed, 1 failed, 0 skipped"
        exit 1
    }
fi

ZIS=$build/zis ZIS_ROOT=$root ZIS_NODE_MODULES=$clients/node_modules node --test --test-reporter=tap \
    --test-reporter-destination=stdout "$root/tests/http/clients/openai.test.mjs" >"$clients/results.tap"
status=$?
count() { sed -nE "s/^# $1 ([0-9]+)\$/\1/p" "$clients/results.tap" | tail -n 1; }
passed=$(count pass) failed=$(($(count fail) + $(count cancelled)))
if [ "$status" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
[ "$failed" = 0 ] || cat "$clients/results.tap"
echo "${passed:-0} passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]

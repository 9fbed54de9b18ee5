#!/bin/sh
# fuzz.sh [SECONDS [NAME...]] - runs the fuzz targets with libFuzzer, ASan and UBSan; 120 seconds
# each unless told. The corpus under tests/fuzz/corpus is only read; what is found new goes to
# build-fuzz/corpus/NAME, what breaks to build-fuzz/findings.
set -u
root=$(cd "$(dirname "$0")/.." && pwd -P) || exit 1
. "$root/tools/build.sh"
seconds=${1:-120}
[ $# = 0 ] || shift
build=$root/build-fuzz

lock_build "$build"
# shellcheck disable=SC2086 # lists of packages
need_packages "$build/apt.log" $build_packages $test_packages $lint_packages
say "building the fuzz targets"
cmake_build "$build" fuzzers -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=Fuzz \
    -DCMAKE_C_FLAGS="-O1 -g" -DZIS_TESTS=ON -DZIS_FUZZ=ON -DZIS_SANITIZE=address,undefined || exit 1
unlock_build

fixed=
setarch "$(uname -m)" -R true 2>/dev/null && fixed="setarch $(uname -m) -R"
mkdir -p "$build/findings"
passed=0 failed=0
for target in "$build"/fuzz_*; do
    [ -x "$target" ] || continue
    name=${target##*/fuzz_}
    if [ $# -gt 0 ]; then
        case " $* " in *" $name "*) ;; *) continue ;; esac
    fi
    mkdir -p "$build/corpus/$name"
    seeds=$root/tests/fuzz/corpus/$name
    [ -d "$seeds" ] || seeds=
    log=$build/$name.log
    # shellcheck disable=SC2086 # a command and its arguments, or nothing
    if $fixed "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$build/findings/$name-" \
        "$build/corpus/$name" ${seeds:+"$seeds"} >"$log" 2>&1 9>&-; then
        passed=$((passed + 1))
        echo "fuzz: $name ok, $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs"
    else
        failed=$((failed + 1))
        echo "fuzz: $name FOUND something; the end of $log:"
        tail -n 30 "$log"
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]

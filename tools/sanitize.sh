#!/bin/sh
# sanitize.sh address|thread [PATTERN] - the tests under a sanitizer; ends with the closing line.
#
# address: everything under ASan + UBSan with leak detection. thread: what threads share (the
# pool, jobs, the engine, the server, downloads) under TSan. Optimised a little and with assertions, to be quick enough.
set -u
root=$(cd "$(dirname "$0")/.." && pwd -P) || exit 1
. "$root/tools/build.sh"

case ${1:-} in
address)
    kind=address,undefined build=$root/build-asan targets=all pattern=${2:-}
    export ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1:\
allocator_may_return_null=1"
    export UBSAN_OPTIONS=print_stacktrace=1
    ;;
thread)
    kind=thread build=$root/build-tsan targets="test_base_thread zis http_client test_hub"
    pattern=${2:-"^(base/thread|studio/|http/|pipeline/hub|cli/fetch)"}
    for file in "$root"/tests/unit/studio/*.c "$root"/tests/unit/pipeline/hub*.c; do
        name=${file##*/} floor=${file%/*}
        targets="$targets test_${floor##*/}_${name%.c}"
    done
    export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
    ;;
*) die "usage: tools/sanitize.sh address|thread [PATTERN]" ;;
esac

lock_build "$build"
# shellcheck disable=SC2086 # lists of packages
need_packages "$build/apt.log" $build_packages $test_packages $lint_packages
say "building under -fsanitize=$kind"
cmake_build "$build" "$targets" -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=Sanitize \
    -DCMAKE_C_FLAGS="-O1 -g" -DZIS_TESTS=ON -DZIS_WERROR=ON -DZIS_SANITIZE="$kind" || {
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
}
unlock_build

# The runtimes of clang 14 cannot place their shadow under every layout that newer kernels pick.
fixed=
setarch "$(uname -m)" -R true 2>/dev/null && fixed=1
[ "$fixed" ] && ctest() { setarch "$(uname -m)" -R ctest "$@"; }
run_ctest "$build" --timeout 900 ${pattern:+-R "$pattern"}
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]

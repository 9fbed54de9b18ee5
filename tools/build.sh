# build.sh - what ./run, ./test and the tools share: packages, builds, tests. Sourced, never run.
# shellcheck shell=sh disable=SC2034,SC2154
#
# Expects $root (the checkout, absolute). POSIX sh, so that dash starts it in a millisecond.
# Everything said to a person goes to stderr: stdout belongs to zis.

# Debian packages, by what they are for.
build_packages="cmake ninja-build gcc libc6-dev pkg-config libpng-dev libturbojpeg0-dev libwebp-dev
libdeflate-dev libutf8proc-dev libjansson-dev libmicrohttpd-dev libseccomp-dev gzip
libcurl4-openssl-dev libssl-dev ca-certificates"
test_packages="libcmocka-dev curl jq"
lint_packages="git clang clang-format libclang-rt-14-dev"
web_packages="chromium nodejs npm"

say() { echo "Z-Image Studio: $*" >&2; }
die() { say "$*"; exit 1; }

# The program that makes a package unnecessary when it is already in PATH (own builds, pip).
program_of() {
    case $1 in
    ninja-build) echo ninja ;;
    nodejs) echo node ;;
    cmake | gcc | pkg-config | git | clang | clang-format | chromium | npm) echo "$1" ;;
    esac
}

missing_packages() { # PACKAGE...
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null)
    for package; do
        printf '%s\n' "$installed" | grep -qx "installed $package" && continue
        program=$(program_of "$package")
        [ -n "$program" ] && command -v "$program" >/dev/null && continue
        echo "$package"
    done
}

# Installs what is missing of the Debian packages named, or says how to and ends.
# On other systems CMake names what it lacks.
need_packages() { # LOG PACKAGE...
    log=$1
    shift
    command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || return 0
    # shellcheck disable=SC2046 # package names hold no spaces
    set -- $(missing_packages "$@")
    [ $# -gt 0 ] || return 0
    if [ "$(id -u)" = 0 ]; then
        as=
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as="sudo -n"
    else
        die "these Debian packages are missing; install them and start again:
    sudo apt-get install -y --no-install-recommends $*"
    fi
    say "installing what is missing from Debian: $*"
    : >"$log"
    set -- install -y --no-install-recommends "$@"
    lists=$(find /var/lib/apt/lists -name '*Packages*' -print -quit 2>/dev/null)
    if { [ -n "$lists" ] && apt "$@"; } || { apt update && apt "$@"; }; then return 0; fi
    tail -n 20 "$log" >&2
    die "the packages could not be installed (the whole log: $log); the command was:
    apt-get $*"
}

apt() {
    # a user's PATH may lack /sbin, which dpkg insists on
    $as env DEBIAN_FRONTEND=noninteractive PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" \
        apt-get -q -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1 </dev/null 9>&-
}

# True when PROGRAM stands and nothing under the PATHs changed since its build began. Folders are
# looked at too, so added and deleted files count.
is_fresh() { # BUILD PROGRAM PATH...
    [ -f "$1/.stamp" ] && [ -e "$1/$2" ] || return 1
    IFS= read -r built_for <"$1/.stamp" && [ "$built_for" = "$root" ] || return 1
    stamp=$1/.stamp
    shift 2
    [ -z "$(find "$@" -newer "$stamp" -print -quit 2>&1)" ]
}

# Only one builds; the others wait here. Kept until unlock_build or the end of the shell.
lock_build() { # BUILD
    mkdir -p "$1" 2>/dev/null && [ -w "$1" ] || die "cannot write to $1"
    command -v flock >/dev/null || return 0
    exec 9>>"$1/.lock"
    flock -n 9 && return 0
    say "another build is at work in $1; waiting for it"
    flock 9
}

unlock_build() { exec 9>&-; }

# Configures and builds. Quiet unless it fails, then the end of the log is shown.
cmake_build() { # BUILD TARGETS CMAKE-OPTION...
    build=$1 targets=$2
    shift 2
    log=$build/build.log
    printf '%s\n' "$root" >"$build/.stamp.new" # before the build: later edits count as newer
    set -- -S "$root" -B "$build" -G Ninja "$@"
    # a folder that was moved, or whose compiler went away, starts afresh
    if ! cmake "$@" >"$log" 2>&1 </dev/null && ! cmake --fresh "$@" >"$log" 2>&1 </dev/null; then
        tail -n 30 "$log" >&2
        say "CMake cannot configure the build (the whole log: $log)"
        return 1
    fi
    # shellcheck disable=SC2086 # a list of targets
    if ! ninja -C "$build" $targets >>"$log" 2>&1 </dev/null; then
        sed -n '/^FAILED:/,$p' "$log" | head -n 60 >&2
        say "the build failed (the whole log: $log)"
        return 1
    fi
    mv "$build/.stamp.new" "$build/.stamp"
}

# Runs the tests of a build and sets passed, failed, skipped. Output of failing tests is shown. Twice
# as many as there are cores at a time, since most count for two (CMakeLists.txt, PROCESSORS).
run_ctest() { # BUILD CTEST-OPTION...
    results=$1/results.xml
    build=$1
    shift
    passed=0 failed=0 skipped=0
    rm -f "$results"
    status=0
    ctest --test-dir "$build" -j "$((2 * $(nproc)))" --output-on-failure --no-tests=error \
        --output-junit "$results" "$@" || status=$?
    if [ -f "$results" ]; then
        # skipped is what a test says of itself; one that could not be started has failed
        passed=$(grep -c '<testcase .*status="run"' "$results")
        skipped=$(grep -c '<skipped message="SKIP_' "$results")
        failed=$(($(grep -c '<testcase ' "$results") - passed - skipped))
    fi
    # ctest has the last word: a test that it could not start is a failure too
    if [ "$status" != 0 ] && [ "$failed" = 0 ]; then failed=1; fi
    return 0
}

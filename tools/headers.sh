#!/bin/sh
# headers.sh - every header of src and include compiles alone, as strict C17, with gcc and clang.
#
# A header has a guard. What has none is a body, compiled once for each of its includers, and says
# so in its opening comment ("Included by ...").
set -u
cd "$(dirname "$0")/.." || exit 1

flags="-std=c17 -fsyntax-only -x c -I src -D_GNU_SOURCE -DZIS_VERSION=0
-Wall -Wextra -Wshadow -Wvla -Wconversion -Wno-sign-conversion -Wstrict-prototypes -Werror"
bad=0 n=0
unit=$(mktemp) || exit 1
trap 'rm -f "$unit"' EXIT
for header in $(find src include -name '*.h' 2>/dev/null | sort); do
    if ! grep -q '^#ifndef ZIS_' "$header"; then
        head -n 10 "$header" | grep -q 'Included by' && continue
        echo "$header: no include guard (or, for a body, no 'Included by' on top)"
        bad=1
        continue
    fi
    # kernels for one instruction set carry its name
    case $header in
    *_avx512bf16.h) isa="-mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512bf16 -mfma -mf16c" ;;
    *_avx512.h) isa="-mavx512f -mavx512bw -mavx512vl -mavx512dq -mfma -mf16c" ;;
    *_avx2.h) isa="-mavx2 -mfma -mf16c" ;;
    *) isa= ;;
    esac
    # included twice: the guard is tried as well; -I . so that the path is taken from the root
    printf '#include "%s"\n#include "%s"\ntypedef int unit_is_not_empty;\n' "$header" "$header" >"$unit"
    for cc in gcc clang; do
        # shellcheck disable=SC2086 # options
        said=$("$cc" $flags $isa -I . "$unit" 2>&1) && continue
        echo "$said" | head -n 8
        echo "$header does not compile alone with $cc"
        bad=1
    done
    n=$((n + 1))
done
[ "$bad" = 0 ] || exit 1
echo "headers: $n compile alone with gcc and clang"

#!/bin/sh
# format.sh - clang-format 14 over all C files; with --check it only names those that differ.
#
#     tools/format.sh [--check] [FILE...]
set -u
cd "$(dirname "$0")/.." || exit 1

tool=clang-format-14
command -v "$tool" >/dev/null || tool=clang-format
version=$("$tool" --version 2>/dev/null) || { echo "format: clang-format 14 is not installed"; exit 1; }
case $version in
*"version 14."*) ;;
*) echo "format: needs clang-format 14 (others lay out differently), found: $version"; exit 1 ;;
esac

check=
[ "${1:-}" = --check ] && check=1 && shift
if [ $# = 0 ]; then
    # shellcheck disable=SC2046 # no spaces in names of this project's C files
    set -- $(find src tests tools include -name '*.[ch]' 2>/dev/null | sort)
fi
if [ -z "$check" ]; then
    "$tool" -i "$@"
    exit
fi
bad=$("$tool" --dry-run "$@" 2>&1 | sed -n 's/^\([^ :]*\):\([0-9]*\):[0-9]*: warning:.*/\1:\2/p')
if [ -n "$bad" ]; then
    echo "$bad" | awk -F: '!seen[$1]++ {print "format: " $1 " differs, first in line " $2}'
    echo "format: tools/format.sh mends them"
    exit 1
fi
echo "format: $# files as clang-format wants them"

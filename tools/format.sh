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

mode=-i
[ "${1:-}" = --check ] && mode="--dry-run --Werror" && shift
if [ $# = 0 ]; then
    # shellcheck disable=SC2046 # no spaces in names of this project's C files
    set -- $(find src tests tools include -name '*.[ch]' 2>/dev/null | sort)
fi
# shellcheck disable=SC2086 # options
"$tool" $mode "$@" || exit 1
[ "$mode" = -i ] || echo "format: $# files as clang-format wants them"

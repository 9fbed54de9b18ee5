#!/bin/sh
# lint.sh - all that can be said without building: floors, layout, headers, tidiness.
set -u
root=$(cd "$(dirname "$0")/.." && pwd -P) || exit 1
. "$root/tools/build.sh"
mkdir -p "$root/build" || exit 1
# shellcheck disable=SC2086 # lists of packages
need_packages "$root/build/apt.log" $build_packages $lint_packages
bad=0
for check in floors.sh "format.sh --check" headers.sh tidy.sh; do
    # shellcheck disable=SC2086 # name and argument
    sh "$root/tools/"$check || { echo "lint: $check failed"; bad=1; }
done
exit $bad

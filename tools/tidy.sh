#!/bin/sh
# tidy.sh - what no compiler says: files too long without a reason, left-over markers, paths of
# somebody's machine, binaries that do not belong here.
# shellcheck disable=SC2086 # names of files in this project hold no spaces
set -u
cd "$(dirname "$0")/.." || exit 1

# files that git knows or would add; everything where there is no git
files() { git ls-files -co --exclude-standard 2>/dev/null ||
    find . -name 'build*' -prune -o -type f -print | sed 's,^\./,,'; }
# data of tests is as it is
texts=$(files | grep -E '\.(c|h|S|s|cu|py|sh|md|txt|js|css|html|yml|yaml)$|^(run|test|\.ci/run)$' |
    grep -vE '^tests/.*/(data|corpus)/' |
    while IFS= read -r f; do [ -f "$f" ] && echo "$f"; done)

bad=$(
    for f in $texts; do
        # a long file says near its top why it is one file
        case $f in
        src/* | tests/* | tools/* | web/*)
            lines=$(wc -l <"$f")
            [ "$lines" -le 800 ] || head -n 30 "$f" | grep -qi 'one file because' ||
                echo "$f: $lines lines; over 800 a file says on top 'one file because ...'"
            ;;
        esac
    done
    # the patterns are written so that they do not find themselves
    grep -nIwE 'TO[D]O|FIX[M]E|X[X]X|HA[C]K|W[I]P' $texts /dev/null | sed 's/$/: left-over marker/'
    grep -nIE '^(<{7}|>{7}|={7})( |$)' $texts /dev/null | sed 's/$/: conflict marker/'
    grep -nIE '/(work|root|Users|home/[^/ ]+)[/]' $texts /dev/null | sed 's/$/: a path of one machine/'
    grep -nI '[[:blank:]]$' $texts /dev/null | grep -v '\.md:' | sed 's/$/: blank at the end of the line/'
    files | grep -E '\.(o|a|so|pyc|orig|rej|swp)$' | sed 's/$/: a product, not a source/'
)
[ -z "$bad" ] || { echo "$bad"; exit 1; }
echo "tidy: $(echo "$texts" | wc -l) files, none too long, no markers, no local paths"

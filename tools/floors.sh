#!/bin/sh
# floors.sh - a file includes its own floor or a lower one: never up, never a sibling.
#
# Also: no include leaves its folder by "..", each names its floor ("base/mem.h"), and nothing
# below cli and server ends the process or writes to the terminal behind the caller's back.
set -u
cd "$(dirname "$0")/.." || exit 1

floors="zis=0 base=0 tensor=1 kernels=2 formats=2 text=2 nn=3 models=4 pipeline=5 studio=6
server=7 cli=8"
floor() { for f in $floors; do [ "${f%=*}" = "$1" ] && echo "${f#*=}" && return; done; }

bad=$(
    for folder in src/*/; do
        name=$(basename "$folder")
        [ -n "$(floor "$name")" ] || echo "$folder: not a floor of the house (tools/floors.sh)"
    done
    grep -rnE '^ *# *include *"' src | while IFS= read -r line; do
        from=${line#src/} from=${from%%/*}
        path=${line#*\"} path=${path%%\"*}
        to=${path%%/*}
        case $path in
        *..*) echo "$line: leaves its folder; name the floor" && continue ;;
        */*) ;;
        *) echo "$line: names no floor (write \"$from/$path\")" && continue ;;
        esac
        [ "$from" = "$to" ] && continue
        [ -n "$(floor "$to")" ] || { echo "$line: '$to' is no floor" && continue; }
        [ "$(floor "$to")" -lt "$(floor "$from")" ] 2>/dev/null ||
            echo "$line: $from must not know $to"
    done
    grep -rnwE '(exit|_exit|abort|quick_exit) *\(' src --include='*.[ch]' |
        grep -vE '^src/(cli|server)/|^[^:]*:[0-9]*: *(\*|/\*|//)' | sed 's/$/: only cli ends the process/'
)
[ -z "$bad" ] || { echo "$bad"; exit 1; }
echo "floors: every include goes down"

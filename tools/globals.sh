#!/bin/sh
# globals.sh BUILD - no floor below cli keeps mutable state: two engines can live in one process.
# Looks at what the compiler put into .data and .bss, so that static locals count too.
set -u
build=${1:?usage: tools/globals.sh BUILD}
bad=$(
    for lib in "$build"/libzis_*.a; do
        case $lib in */libzis_cli.a | */libzis_server.a) continue ;; esac
        # address, flags, section, size, name; constants that only need relocation are read-only
        objdump -t "$lib" | awk -v lib="$(basename "$lib")" '
            / \.(data|bss|tdata|tbss)[^ \t]*\t/ && !/\.data\.rel\.ro/ && !/ d / && !/\*COM\*/ {
                print lib ": " $NF " is mutable state (" $0 ")" }
            /\*COM\*/ { print lib ": " $NF " is mutable state" }'
    done
)
[ -z "$bad" ] || { echo "$bad"; exit 1; }
echo "globals: no mutable state below cli"

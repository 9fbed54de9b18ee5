#!/bin/bash
# lint.sh SOURCE_DIR - the checks find what they are for: a house that breaks each rule once.
set -eu
source=$1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "lint.sh: $*"; exit 1; }
mkdir -p "$tmp/src/"{base,kernels,cli,attic} "$tmp/tools"
cp "$source"/tools/*.sh "$tmp/tools"
cd "$tmp"

# finds TOOL WORDS...: the tool fails and says so
finds() {
    local tool=$1 said
    shift
    said=$(sh "tools/$tool" 2>&1) && fail "$tool passed, but should have found: $*"
    grep -qF -- "$*" <<<"$said" || fail "$tool did not find '$*' but said: $said"
}
passes() { sh "tools/$1" >"$tmp/said" 2>&1 || fail "$1 found something where nothing is: $(cat "$tmp/said")"; }

# floors
finds floors.sh "src/attic/"
rmdir src/attic
echo '#include "base/mem.h"' >src/kernels/a.c
echo 'void f(void) { exit(1); }' >src/cli/a.c
passes floors.sh
for line in '#include "formats/x.h"' '# include "nn/bind.h"' '#include "x.h"' '#include "../base/x.h"' \
    'void f(void) { abort(); }'; do
    echo "$line" >src/kernels/b.c
    finds floors.sh "src/kernels/b.c:1:$line"
done
rm src/kernels/b.c

# tidy
passes tidy.sh
seq 801 | sed 's,.*,/* & */,' >src/base/long.c
finds tidy.sh "src/base/long.c: 801 lines"
sed -i '1i/* One file because the table is one. */' src/base/long.c
passes tidy.sh
for line in "/* TO""DO: later */" "<<<<<<< HEAD" "/* see /ho""me/me/x */" "int a; "; do
    echo "$line" >src/base/b.c
    finds tidy.sh "src/base/b.c:1:"
done
rm src/base/b.c src/base/long.c
touch src/base/b.o
finds tidy.sh "src/base/b.o"
rm src/base/b.o

# mutable state, as the compiler lays it out
mkdir build
state() {
    printf '%s\n' "$1" | "${CC:-cc}" -fPIC -c -x c -o build/a.o - && rm -f build/libzis_base.a
    ar rc build/libzis_base.a build/a.o
}
state 'static const char *const names[] = {"a", 0}; const char *const *f(void) { return names; }'
sh tools/globals.sh build >/dev/null || fail "globals.sh found state in constants"
for code in 'int counter = 1;' 'int f(void) { static int calls; return ++calls; }' 'static __thread int t; int *f(void) { return &t; }'; do
    state "$code"
    sh tools/globals.sh build >/dev/null && fail "globals.sh did not see: $code"
done
echo "lint.sh: ok"

#!/bin/bash
# Targets that cannot be written, streams that are gone, memory that is not there: one sentence, the
# right exit code, nothing left behind.
. "$(dirname "$0")/lib/common.bash" "$@"
g=("$zis" generate x "${small[@]}" -s 1)

bad 1 "no folder" "${g[@]}" -o missing/x.png
mkdir folder.png
bad 1 "it is a folder" "${g[@]}" -o folder.png

# A file that is there survives a failed run.
echo keep >keep.png
bad 1 "there is no model" "${g[@]}" -m nonsense -o keep.png
[ "$(cat keep.png)" = keep ] || fail "a failed run changed the file"

mkdir locked
chmod 555 locked
if [ "$(id -u)" != 0 ]; then
    bad 1 "cannot write 'locked/x.png'" "${g[@]}" -o locked/x.png
elif mount -t tmpfs -o ro tmpfs locked 2>/dev/null; then
    undo+=("umount '$dir/locked'")
    bad 1 "cannot write 'locked/x.png'" "${g[@]}" -o locked/x.png
else
    skip "read-only folder: root without the right to mount"
fi

mkdir full
if [ "$(id -u)" = 0 ] && mount -t tmpfs -o size=8k tmpfs full 2>/dev/null; then
    undo+=("umount '$dir/full'")
    head -c 8192 /dev/zero >full/filler 2>/dev/null
    bad 1 "cannot write 'full/x.png': the disk is full; make room on it, or choose another place" "${g[@]}" -o full/x.png
    [ "$(ls full)" = filler ] || fail "a full disk: left behind: $(ls full)"
else
    skip "full disk: needs root and the right to mount"
fi

# Standard output: a reader that has gone, a full device, closed.
mkfifo pipe
"${g[@]}" -o - >pipe 2>err &
pid=$!
: <pipe
wait $pid
rc=$?
[ $rc = 1 ] && grep -q "^zis: cannot write to standard output" err || fail "closed pipe: $rc: $(cat err)"
if [ -w /dev/full ]; then
    "${g[@]}" -o - >/dev/full 2>err
    rc=$?
    [ $rc = 1 ] && grep -q "^zis: cannot write to standard output" err || fail "/dev/full: $rc: $(cat err)"
    "$zis" help >/dev/full 2>err
    [ $? = 1 ] || fail "help to /dev/full is no failure"
fi
"${g[@]}" -o - >&- 2>err
rc=$?
[ $rc = 1 ] && grep -q "^zis: cannot write to standard output" err || fail "closed stdout: $rc: $(cat err)"
"${g[@]}" -o ok.png --json >&- 2>err
[ $? = 1 ] || fail "--json with a closed stdout is no failure"
"${g[@]}" -o quiet.png -q <&- >&- 2>&- || fail "--quiet with all streams closed"
png_magic quiet.png

# A model that is cut short while it is in use.
if [ -z "$sanitized" ]; then
    cp -r "$src/models/nano/turbo" cut
    chmod -R u+w cut
    "$zis" generate x -W 256 -H 256 --steps 1000 -m cut -o cut.png >out 2>err &
    pid=$!
    for _ in $(seq 200); do
        grep -q denoising err && break
        sleep 0.05
    done
    : >cut/transformer/diffusion_pytorch_model.safetensors
    for _ in $(seq 100); do
        kill -0 $pid 2>/dev/null || break
        sleep 0.1
    done
    if kill -INT $pid 2>/dev/null; then
        skip "a model that is cut short: nothing is read from its file any more"
        wait $pid
    else
        wait $pid
        rc=$?
        [ $rc = 1 ] && grep -q "^zis: a file of the model was cut short" err ||
            fail "cut model: exit code $rc: $(cat err)"
    fi
    [ ! -e cut.png ] || fail "a cut model, but a picture"
fi

# Memory.
bad 1 "needs [0-9.]* GB of working memory" "$zis" generate x -W 8192 -H 8192 --steps 1 -o m.png
if [ -z "$sanitized" ]; then
    for limit in 60000 100000 200000; do
        (
            ulimit -v $limit
            "$zis" generate x -W 512 -H 512 --steps 1 -t 1 -o m.png >out 2>err
        )
        rc=$?
        [ $rc = 1 ] && [ "$(grep -c '^zis: ' err)" = 1 ] ||
            fail "ulimit -v $limit: exit code $rc: $(cat err)"
    done
else
    skip "RLIMIT_AS: a sanitizer needs its own address space"
fi
[ ! -e m.png ] || fail "no memory, but a picture"
# A FIFO that nobody reads is an error and no wait; a limit on file sizes is a full disk.
mkfifo nobody.png
timeout -s KILL 30 "$zis" generate x -W 64 -H 64 --steps 1 -q -o nobody.png >out 2>err
rc=$?
[ $rc = 1 ] && grep -q "^zis: cannot write 'nobody.png'" err || fail "FIFO: exit code $rc: $(cat err)"
(
    ulimit -f 4
    "$zis" generate x -W 128 -H 128 --steps 1 -q -o big.png >out 2>err
)
rc=$?
[ $rc = 1 ] && [ ! -e big.png ] || fail "ulimit -f: exit code $rc: $(cat err)"
ls | grep -q '\.tmp' && fail "temporary files left: $(ls)"
finish

#!/bin/bash
# zis fetch against a Hub on loopback: names, the cache's tree, sharing, tokens, lists, removal.
. "$(dirname "$0")/lib/common.bash" "$@"
. "$(dirname "$0")/lib/hub.bash"
nano=$src/models/nano
mkdir -p "$srv/Tongyi-MAI" "$srv/lllyasviel/Annotators" "$srv/Org" \
    "$srv/alibaba-pai/Z-Image-Turbo-Fun-Controlnet-Union-2.1"
cp -r "$nano/turbo" "$srv/Tongyi-MAI/Z-Image-Turbo"
cp -r "$nano/turbo" "$srv/Tongyi-MAI/Z-Image" # text encoder, VAE and tokenizer are Turbo's
cp "$nano/base/model_index.json" "$srv/Tongyi-MAI/Z-Image/"
cp "$nano/base/transformer/"* "$srv/Tongyi-MAI/Z-Image/transformer/"
chmod -R u+w "$srv"
repo=$srv/Tongyi-MAI/Z-Image-Turbo
mkdir -p "$repo/assets" && echo picture >"$repo/assets/a.png" && echo words >"$repo/README.md"
echo twin >"$repo/transformer/diffusion_pytorch_model.bin"
echo half >"$repo/transformer/diffusion_pytorch_model.fp16.safetensors"
mapfile -t files < <(cd "$nano/turbo" && find . -type f -printf '%P\n')
start_hub --page 3 # several pages
faults

# Two commands from nothing to a picture; the first error names them.
small=(-W 48 -H 32 --steps 1 -t 1 -s 1 --no-metadata)
bad 1 "is not downloaded; .zis fetch turbo. gets it, then .zis generate -m turbo" \
    "$zis" generate x "${small[@]}" -m turbo -o a.png
ok "dry run" fetch turbo --dry-run
has out "^ *35.4 MB  missing   transformer/diffusion_pytorch_model.safetensors"
has out "^10 files, 54.7 MB; to download: 54.7 MB"
[ ! -e "$HF_HUB_CACHE" ] || fail "a dry run wrote something"
ok "fetch turbo" fetch turbo
same_tree $turbo Tongyi-MAI/Z-Image-Turbo "${files[@]}"
has "$HF_HUB_CACHE/CACHEDIR.TAG" "^Signature: 8a477f597d28d172789f06886806bc55"
ok "drawn" "$zis" generate x "${small[@]}" -m turbo -o a.png
ok "nano" "$zis" generate x "${small[@]}" -o b.png
cmp -s a.png b.png || fail "what was downloaded draws another picture"
[ "$(sent /transformer/diffusion_pytorch_model.safetensors)" = 35425440 ] || fail "bytes were fetched twice"

# Again: nothing is downloaded; with --verify what is damaged is mended.
faults
ok "again" fetch turbo
grep -qv '^api' "$srv/.log" && fail "files were asked for again: $(cat "$srv/.log")"
faults
blob=$(readlink -f "$HF_HUB_CACHE/$turbo"/snapshots/*/vae/config.json)
size=$(stat -c %s "$blob")
head -c "$size" /dev/zero >"$blob"
ok "verify" fetch turbo --verify
cmp -s "$blob" "$repo/vae/config.json" || fail "--verify did not mend a file"
[ "$(sent resolve)" = "$size" ] || fail "--verify fetched more than the damaged file"

# Base takes what is the same from Turbo's entry, and keeps it when that goes.
faults
ok "fetch base" fetch base --json
[ "$(sent /text_encoder/model)$(sent /vae/diff)$(sent tokenizer.json)" = 000 ] || fail "base downloaded Turbo's parts again"
has out '"event": "file", "repo": "Tongyi-MAI/Z-Image", "path": "text_encoder/model.safetensors", "state": "shared"'
has out '^{"event": "plan", "repo": "Tongyi-MAI/Z-Image", "revision": "main", "commit": "[0-9a-f]*", "bytes": [0-9]*, "missing_bytes": 354[0-9]*, '
has out '^{"event": "progress", "bytes": [0-9]*, "total": [0-9]*, "bytes_per_second": [0-9]*'
has out '^{"event": "done", "ok": true}'
same_tree $base Tongyi-MAI/Z-Image "${files[@]}"
ok "models" "$zis" models
has out "^base  *54.4 MB"
ok "rm" "$zis" models rm turbo --yes
has err "frees 35.[0-9] MB (19.[0-9] MB more are shared"
[ ! -e "$HF_HUB_CACHE/$turbo" ] || fail "rm left something"
ok "base draws alone" "$zis" generate x "${small[@]}" -m base -o c.png
bad 1 "is not in the cache" "$zis" models rm turbo --yes

# --fetch downloads first: only what lacks.
faults
ok "--fetch" "$zis" generate x "${small[@]}" -m turbo --fetch -o d.png
cmp -s a.png d.png || fail "--fetch drew another picture"
[ "$(sent /vae/diff)" = 0 ] || fail "--fetch did not share base's VAE"
faults
ok "--fetch again" "$zis" generate x "${small[@]}" -m turbo --fetch -o d.png
[ ! -s "$srv/.log" ] || fail "--fetch asked for a model that is here"

# Files of a repository by preset and by pattern; others of the same commit stay in the snapshot.
head -c 300000 /dev/urandom >"$srv/lllyasviel/Annotators/body_pose_model.pth"
head -c 200000 /dev/urandom >"$srv/lllyasviel/Annotators/dpt_hybrid-midas-501f0c75.pt"
head -c 100000 /dev/urandom >"$srv/lllyasviel/Annotators/RealESRGAN_x4plus.pth"
head -c 900 /dev/urandom >"$srv/lllyasviel/Annotators/other.pth"
control=Z-Image-Turbo-Fun-Controlnet-Union-2.1-8steps.safetensors
head -c 5000 /dev/urandom >"$srv/alibaba-pai/Z-Image-Turbo-Fun-Controlnet-Union-2.1/$control"
ok "pose" fetch pose
ok "upscaler" fetch lllyasviel/Annotators:RealESRGAN*
same_tree models--lllyasviel--Annotators lllyasviel/Annotators body_pose_model.pth RealESRGAN_x4plus.pth
faults
ok "all" fetch all
[ "$(grep -c /revision/ "$srv/.log")" = 4 ] || fail "one repository was asked several times"
same_tree models--lllyasviel--Annotators lllyasviel/Annotators body_pose_model.pth \
    RealESRGAN_x4plus.pth dpt_hybrid-midas-501f0c75.pt
same_tree models--alibaba-pai--Z-Image-Turbo-Fun-Controlnet-Union-2.1 \
    alibaba-pai/Z-Image-Turbo-Fun-Controlnet-Union-2.1 $control
ok "models --json" "$zis" models --json
has out '"name": "pose", "hub_id": "lllyasviel/Annotators", "present": true'
has out '"name": "depth", .*"bytes": 200000, "shape": null, "unfinished": null, "command": null}'
ok "rm of one file" "$zis" models rm pose -y
same_tree models--lllyasviel--Annotators lllyasviel/Annotators RealESRGAN_x4plus.pth \
    dpt_hybrid-midas-501f0c75.pt
bad 1 "is not downloaded: there is nothing to remove" "$zis" models rm pose -y
ok "models" "$zis" models
has out '`zis fetch pose` gets it'
bad 2 "nobody can be asked here: give --yes" "$zis" models rm depth </dev/null
bad 2 "ships with zis and stays" "$zis" models rm nano -y
bad 2 "is no action" "$zis" models delete depth

# Names as odd as they may be, a file without a byte, two of the same bytes.
mkdir -p "$srv/Org/odd/a b"
odd=("a b/50%20c+ü#?&.safetensors" "$(printf 'x%.0s' $(seq 250)).json" empty.json twin.safetensors)
head -c 5000 /dev/urandom >"$srv/Org/odd/${odd[0]}"
echo '{"long": 1}' >"$srv/Org/odd/${odd[1]}"
: >"$srv/Org/odd/empty.json"
cp "$srv/Org/odd/${odd[0]}" "$srv/Org/odd/twin.safetensors"
faults
ok "odd names" fetch Org/odd
same_tree models--Org--odd Org/odd "${odd[@]}"
[ "$(sent /data/)" = 5000 ] || fail "the same bytes were fetched twice"

# A new commit: what did not change is linked, not downloaded; the old snapshot stays.
echo new >"$srv/lllyasviel/Annotators/other.pth"
faults
ok "a new commit" fetch pose --revision pr/1
[ "$(sent pth)" = 300000 ] || fail "more than the missing file was downloaded"
[ "$(ls "$HF_HUB_CACHE/models--lllyasviel--Annotators/snapshots" | wc -l)" = 2 ] || fail "a snapshot got lost"
[ -e "$HF_HUB_CACHE/models--lllyasviel--Annotators/refs/pr/1" ] || fail "no refs/pr/1"
commit=$(cat "$HF_HUB_CACHE/models--lllyasviel--Annotators/refs/pr/1")
[ "$(ls "$HF_HUB_CACHE/models--lllyasviel--Annotators/snapshots/$commit" | wc -l)" = 3 ] ||
    fail "the new snapshot lacks files that did not change"
ok "by commit" fetch depth --revision "$commit"
[ ! -e "$HF_HUB_CACHE/models--lllyasviel--Annotators/refs/$commit" ] || fail "a commit became a ref"

# Names that are none.
bad 2 "there is nothing to fetch" "$zis" fetch
bad 2 "ships with zis" fetch nano
bad 2 "is none of turbo" fetch nonsense
bad 2 "is none of turbo" fetch ../../x
bad 2 "is no revision" fetch turbo --revision ../../x
bad 1 "has no such revision" fetch turbo --revision v9
bad 1 "shows no repository Some/Model (401).*set HF_TOKEN" fetch Some/Model
bad 1 "no file that matches 'nothing\*'" fetch 'lllyasviel/Annotators:nothing*'
bad 2 "must be a whole number from 1 to 64" fetch turbo --connections 0
HF_HUB_OFFLINE=1 bad 1 "HF_HUB_OFFLINE is set" fetch turbo
HF_ENDPOINT=ftp://x bad 2 "HF_ENDPOINT must begin with https" fetch turbo
HF_ENDPOINT=http://me:secret@127.0.0.1 bad 2 "HF_ENDPOINT must not hold" fetch turbo
HF_ENDPOINT=http://127.0.0.1:1 bad 1 "cannot be reached" fetch --retries 1 turbo

# Tokens: to the Hub alone, and never into a message. Gated and private repositories.
mkdir -p "$srv/Org/gated" "$srv/Org/private"
head -c 250000 /dev/urandom >"$srv/Org/gated/w.safetensors"
cp "$srv/Org/gated/w.safetensors" "$srv/Org/private/"
touch "$srv/Org/gated.gated" "$srv/Org/private.private"
faults
bad 1 "Org/gated is gated (401): accept its terms on .*, make a token" fetch Org/gated
HF_TOKEN=wrong-token bad 1 "is gated and your token's account has no access (403)" fetch Org/gated
bad 1 "shows no repository Org/private (401)" fetch Org/private
HF_TOKEN=wrong-token bad 1 "shows no repository Org/private (404).*your token's account needs access" fetch Org/private
HF_TOKEN=$'a\nb' bad 2 "the token in HF_TOKEN holds blanks" fetch Org/gated
grep -q 'wrong-token\|good-token' out err && fail "a token was printed"
faults
HF_TOKEN=" good-token " ok "HF_TOKEN" fetch Org/gated
mkdir -p "$HF_HOME" && echo good-token >"$HF_HOME/token"
ok "a token in HF_HOME" fetch Org/private
echo good-token >tok && rm "$HF_HOME/token" && rm -r "$HF_HUB_CACHE/models--Org--private"
HF_TOKEN_PATH=tok ok "HF_TOKEN_PATH" fetch Org/private
grep -q '^data .* good ' "$srv/.log" && fail "the token went to another host"
grep -q '^data .* - ' "$srv/.log" || fail "nothing came from the other host"
[ "$(grep -c '^hub .* good ' "$srv/.log")" -ge 1 ] || fail "the Hub did not get the token"
faults "hub w.safetensors 0 redirect http://127.0.0.1:$data_port/elsewhere"
rm -r "$HF_HUB_CACHE/models--Org--gated" "$HF_HUB_CACHE/models--Org--private"
HF_TOKEN=good-token bad 1 "404" fetch Org/gated --retries 1
grep -q '^data .* good ' "$srv/.log" && fail "the token went to the host of a redirect"
faults "api /Org/gated/revision 0 status 403 Refused" # its message repeats the token
HF_TOKEN=good-token bad 1 "refuses access to Org/gated (403)" fetch Org/gated
grep -q good-token err && fail "the Hub made us print the token"
faults "api revision 0 redirect http://127.0.0.1:$data_port/api/models/Org/gated/revision/main"
HF_TOKEN=good-token bad 1 "leads to another host" fetch Org/gated
grep -q '^data' "$srv/.log" && fail "the API's redirect to another host was followed"

# A proxy: names are not even looked up here.
faults
http_proxy=http://127.0.0.1:$hub_port HF_ENDPOINT=http://hub.invalid HF_TOKEN=good-token \
    ok "proxy" fetch Org/gated
grep -q '^hub-proxied .* good ' "$srv/.log" || fail "the proxy was not used"
grep -q '^data-proxied .* - ' "$srv/.log" || fail "the second host was not asked without a token through the proxy"

# Other people's cache: a file that Python began is taken as a beginning.
fresh
head -c 3000000 /dev/urandom >"$srv/Org/gated/w.safetensors" && rm "$srv/Org/gated.gated"
hash=$(sha256sum <"$srv/Org/gated/w.safetensors" | cut -d' ' -f1)
for name in "$hash.incomplete" "$hash.0123abcd.incomplete"; do
    fresh
    mkdir -p "$HF_HUB_CACHE/models--Org--gated/blobs"
    head -c 1000000 "$srv/Org/gated/w.safetensors" >"$HF_HUB_CACHE/models--Org--gated/blobs/$name"
    ok "models" "$zis" models
    has out "begun: 1.0 MB of 1 file; .zis fetch Org/gated. goes on"
    faults
    ok "goes on" fetch Org/gated
    same_tree models--Org--gated Org/gated w.safetensors
    [ "$(sent w.safe)" = 2000000 ] || fail "$name: $(sent w.safe) bytes instead of the missing ones"
done
# and one that is no beginning of it: noticed by the hash, fetched whole
fresh
mkdir -p "$HF_HUB_CACHE/models--Org--gated/blobs"
head -c 1000000 /dev/urandom >"$HF_HUB_CACHE/models--Org--gated/blobs/$hash.incomplete"
ok "a false beginning" fetch Org/gated
same_tree models--Org--gated Org/gated w.safetensors

# One writer for each blob: who comes second waits, and finds it done.
fresh
faults "data w.safe 1 slow 6000000"
fetch Org/gated -q 2>err1 &
first=$!
sleep 0.15
ok "second" fetch Org/gated
has err "another process is downloading it; waiting"
wait $first || fail "first: $(cat err1)"
same_tree models--Org--gated Org/gated w.safetensors
[ "$(sent w.safe)" = 3000000 ] || fail "two processes fetched the same bytes"

# Ctrl-C: at once, 130, what is there stays and is not asked for again.
fresh
faults "data w.safe 1 slow 2000000"
"$zis" fetch Org/gated >out 2>err &
pid=$!
for _ in $(seq 100); do
    [ "$(stat -c %s "$HF_HUB_CACHE"/models--Org--gated/blobs/*.incomplete 2>/dev/null || echo 0)" -gt 0 ] && break
    sleep 0.02
done
sleep 0.3
kill -INT $pid
wait $pid
rc=$?
[ $rc = 130 ] || fail "Ctrl-C: exit code $rc: $(cat err)"
has err "^zis: stopped; what was downloaded stays"
sleep 0.1
before=$(sent w.safe)
[ "$before" -gt 0 ] || fail "nothing had come before Ctrl-C"
faults
ok "after Ctrl-C" fetch Org/gated
[ "$(sent w.safe)" -lt 3000000 ] || fail "Ctrl-C lost what was there"
same_tree models--Org--gated Org/gated w.safetensors

# A disk that is too small is noticed before, a full one keeps what is there.
if [ "$(id -u)" = 0 ] && mkdir small && mount -t tmpfs -o size=80m tmpfs small 2>/dev/null; then
    undo+=("umount '$dir/small'")
    head -c 20000000 /dev/zero >"$srv/Org/gated/w.safetensors"
    HF_HUB_CACHE=$dir/small bad 1 "needs 0.02 GB, but only 0.0[78] GB are free" fetch Org/gated
    [ -z "$(ls small)" ] || fail "a refused download wrote something"
else
    skip "small disk: needs root and the right to mount"
fi
finish

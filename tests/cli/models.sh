#!/bin/bash
# Finding models: presets, folders, the Hugging Face cache, missing parts.
. "$(dirname "$0")/lib/common.bash" "$@"
nano=$src/models/nano
run() { "$zis" generate x "${small[@]}" -s 1 --no-metadata -o "$@"; }

ok "preset" run a.png
ok "folder" run b.png -m "$nano/turbo/"
cmp -s a.png b.png || fail "the folder is not the preset"
ok "relative folder" run b.png -m "$(realpath --relative-to=. "$nano/turbo")"
cmp -s a.png b.png || fail "a relative path gave another picture"
ok "base: parts from beside" run c.png -m "$nano/base" --json
has out '"model": "nano-base", '

# A folder with a transformer alone: siblings that fit, flags, or an error with every place.
mkdir -p family/mine family/other alone/mine
ln -s "$nano/base/transformer" family/mine/transformer
ln -s "$nano/turbo/"{text_encoder,vae,tokenizer,transformer} family/other/
ok "siblings" run d.png -m family/mine --steps 1 --cfg 1
ln -s "$nano/base/transformer" alone/mine/transformer
bad 1 "lacks its text encoder (text_encoder/config.json); .zis fetch turbo. gets one, or give --text-encoder PATH; looked in alone/mine/text_encoder" \
    "$zis" generate x "${small[@]}" -m alone/mine -o e.png
ok "flags" run e.png -m alone/mine --text-encoder "$nano/turbo/text_encoder" \
    --vae "$nano/turbo/vae" --tokenizer "$nano/turbo/tokenizer" --steps 1 --cfg 1
cmp -s d.png e.png || fail "parts by flags gave another picture"

# Small files of another kind of JSON, and a configuration that leaves blocks of its file out.
mkdir -p odd/scheduler odd/transformer
ln -s "$nano/turbo/"{text_encoder,vae,tokenizer} odd/
ln -s "$nano/turbo/transformer/"*.safetensors odd/transformer/
cp "$nano/turbo/transformer/config.json" odd/transformer/
for text in '[]' 5 null '"x"'; do
    echo "$text" >odd/model_index.json
    bad 1 "'odd/model_index.json' holds no JSON object" run e.png -m odd
done
echo '[]' >odd/scheduler/scheduler_config.json
printf '{"_zis": {"name": "\\u001b[31mred\\u009b2J"}}' >odd/model_index.json
bad 1 "scheduler_config.json' holds no JSON object" run e.png -m odd
rm odd/scheduler/scheduler_config.json
ok "a name in colours" run e.png -m odd --steps 1 -v
grep -q $'\x1b\|\xc2\x9b' err && fail "a model's name reaches the terminal as it is"
has err "red"
sed 's/"n_layers": [0-9]*/"n_layers": 1/' "$nano/turbo/transformer/config.json" >odd/transformer/config.json
bad 1 "layers.1.[a-z_.0-9A-Z]* lies behind the last block of the configuration" run e.png -m odd

bad 1 "--vae: 'nowhere' is no folder" run e.png -m alone/mine \
    --text-encoder "$nano/turbo/text_encoder" --vae nowhere
bad 1 "there is no model 'nonsense'" run e.png -m nonsense
bad 1 "is not downloaded; .zis fetch turbo. gets it" run e.png -m turbo
bad 1 "is not downloaded; .zis fetch Some/Model. gets it" run e.png -m Some/Model
bad 1 "is a file" run e.png -m "$nano/README.md"
mkdir -p lone/bin && cp "$zis" lone/bin/zis # the program's own folder is looked in, too
env ZIS_MODELS=/nowhere lone/bin/zis generate x -o e.png >out 2>err
[ $? = 1 ] && grep -q "looked in /nowhere/nano/turbo" err || fail "ZIS_MODELS=/nowhere: $(cat err)"

# A cache as the Python client leaves it: blobs, links, refs.
cache=$dir/hub
repo=$cache/models--Tongyi-MAI--Z-Image-Turbo
commit=0123456789abcdef0123456789abcdef01234567
snapshot=$repo/snapshots/$commit
mkdir -p "$repo/blobs" "$repo/refs"
printf %s $commit >"$repo/refs/main"
n=0
while IFS= read -r file; do
    n=$((n + 1))
    cp "$nano/turbo/$file" "$repo/blobs/b$n"
    up=../../blobs
    rest=$file
    while [[ $rest == */* ]]; do
        up=../$up
        rest=${rest#*/}
    done
    mkdir -p "$(dirname "$snapshot/$file")"
    ln -s "$up/b$n" "$snapshot/$file"
done < <(cd "$nano/turbo" && find . -type f | sed 's|^\./||')
export HF_HUB_CACHE=$cache
ok "cache by preset" run f.png -m turbo --json
cmp -s a.png f.png || fail "the cached copy gave another picture"
ok "cache by id" run f.png -m Tongyi-MAI/Z-Image-Turbo
ok "cache entry" run f.png -m "$repo"
cmp -s a.png f.png || fail "the cache entry gave another picture"
rm "$repo/refs/main"
ok "newest snapshot" run f.png -m turbo
ok "hint" run f.png
has err "^hint: Tongyi-MAI/Z-Image-Turbo is in your Hugging Face cache"
ok "listed" "$zis" models --json
has out '"name": "turbo", "hub_id": "Tongyi-MAI/Z-Image-Turbo", "present": true'
has out '"name": "nano-turbo", "hub_id": null, "present": true'
has out '"name": "base", "hub_id": "Tongyi-MAI/Z-Image", "present": false'
ok "listed" "$zis" models
has out "zis fetch base"
env -u HF_HUB_CACHE HF_HOME=$dir "$zis" generate x "${small[@]}" -m turbo -o f.png 2>err ||
    fail "HF_HOME: $(cat err)"

# A blob that is gone, a link that leads out.
target=$(readlink -f "$snapshot/vae/config.json")
mv "$target" kept
bad 1 "was not downloaded completely" run f.png -m turbo
ln -s "$nano/turbo/vae/config.json" "$target"
bad 1 "leads out of the cache" run f.png -m turbo
finish

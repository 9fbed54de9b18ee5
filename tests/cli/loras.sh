#!/bin/bash
# LoRAs: by name and path, strengths, several, the recipe, reports; what is refused.
. "$(dirname "$0")/lib/common.bash" "$@"
sepia=$src/models/nano/lora/sepia.safetensors
run() { "$zis" generate "a red apple" "${small[@]}" -s 1 -o "$@"; }
same() { cmp -s "$1" "$2" || fail "$3: $1 and $2 differ"; }
other() { ! cmp -s "$1" "$2" || fail "$3: $1 and $2 are the same"; }

ok "none" run none.png --no-metadata
ok "by name" run name.png --no-metadata --lora sepia --json
has out '"loras": \[{"file": "sepia", .*"strength": 1, "matched": 42, "modules": 42, "rank": 8, "left_over": 0, "report": "matched 42 of 42 modules, rank 8, 0 keys left over"}\]'
other none.png name.png "sepia"
ok "by path" run path.png --no-metadata --lora "$sepia:1.0" -v
same name.png path.png "by path"
has err "LoRA .*sepia.safetensors, strength 1: matched 42 of 42 modules, rank 8, 0 keys left over"
ok "strength 0" run zero.png --no-metadata --lora sepia.safetensors:0
same none.png zero.png "strength 0"
ok "half" run half.png --no-metadata --lora sepia:0.5
other half.png name.png "half"
ok "twice a half" run twice.png --no-metadata --lora sepia:0.5 --lora sepia:0.5 --dtype f32
ok "and half of it taken back" run back.png --no-metadata --lora sepia --lora sepia:-1 --lora sepia:0

# The recipe, in both forms; options on the command line take its place.
for kind in png webp; do
    ok "$kind" run made.$kind --lora sepia:0.7 --lora "$sepia:0.1"
    ok "$kind again" "$zis" generate --from-image made.$kind -t 1 -o again.$kind
    same made.$kind again.$kind "recipe of $kind"
done
ok "instead" "$zis" generate --from-image made.png -t 1 --no-metadata -o instead.png --lora sepia
same instead.png name.png "instead of the recipe's"
ok "none of the recipe's" "$zis" generate --from-image made.png -t 1 --no-metadata -o instead.png --lora none
same instead.png none.png "none of the recipe's"

# Folders that are named.
mkdir -p mine/style
cp "$sepia" mine/style/brown.safetensors
cp "$sepia" "mine/odd:1.safetensors"
export ZIS_LORAS=/nowhere:$dir/mine
ok "folder of ZIS_LORAS" run brown.png --no-metadata --lora style/brown:1
same brown.png name.png "style/brown"
ok "a colon in the name" run odd.png --no-metadata --lora mine/odd:1.safetensors
same odd.png name.png "a colon in the name"
ok "list" "$zis" models
has out "^sepia  *0.7 MB  .*nano/lora/sepia.safetensors"
has out "^style/brown  "
ok "list as JSON" "$zis" models --json
has out '{"name": "style/brown", "path": ".*mine/style/brown.safetensors", "bytes": 710608}'
ok "info" "$zis" info "$sepia"
has out "LoRA, layout peft, safetensors, BF16, 84 tensors"
has out "42 modules, rank 8"

# Refused, before anything runs; nothing is left behind.
bad 1 "there is no LoRA 'sepai'.*looked in: " run x.png --lora sepai
[ "$(grep -o 'nano/lora' err | wc -l)" = 1 ] || fail "a folder is told twice: $(cat err)"
bad 1 "has nothing that fits a Z-Image transformer; its [0-9]* keys begin with: control_" \
    run x.png --lora "$src/models/nano/controlnet/nano-controlnet-union-2.1.safetensors"
bad 1 "keys begin with: body.0.rdb1" run x.png --lora "$src/models/nano/upscaler/nano_x4.pth"
bad 1 "the LoRA was made for another model" run x.png \
    --lora "$src/tests/golden/data/lora-peft.lora.safetensors"
bad 2 "strength must be a number from -100 to 100, not '101'" run x.png --lora sepia:101
bad 1 "cut.safetensors" run x.png --lora "$(head -c 5000 "$sepia" >cut.safetensors; echo cut.safetensors)"
bad 1 "'empty.safetensors'" run x.png --lora "$(: >empty.safetensors; echo empty.safetensors)"
printf '\2\0\0\0\0\0\0\0{}' >nothing.safetensors
bad 1 "'nothing.safetensors' holds no tensors: it is no LoRA" run x.png --lora nothing.safetensors
bad 1 "README.md" run x.png --lora "$src/README.md"
head -c 60000 "$sepia" >nan.safetensors
head -c 40 /dev/zero | tr '\0' '\377' >>nan.safetensors
tail -c +60041 "$sepia" >>nan.safetensors
bad 1 "values that are not finite" run x.png --lora nan.safetensors
[ ! -e x.png ] || fail "a picture was left behind"
finish

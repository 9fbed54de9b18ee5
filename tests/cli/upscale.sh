#!/bin/bash
# Upscaling: sizes, tiles, with and without the model, the recipe; what is refused.
. "$(dirname "$0")/lib/common.bash" "$@"
up() { "$zis" upscale "$@"; }
same() { cmp -s "$1" "$2" || fail "$3: $1 and $2 differ"; }

ok "picture" up -i "$src/docs/gallery/apple.png" -W 40 -H 28 --no-refine -o in.png --json
has out '"width": 40, "height": 28, "model": "nano", '
ok "one pixel" up -i in.png -W 1 -H 1 --no-refine -o one.png
ok "of one pixel" up -i one.png --scale 3 --no-refine -o three.png --json
has out '"width": 3, "height": 3, '
ok "twice" up -i in.png --no-refine -o twice.png --json
has out '"width": 80, "height": 56, .*"upscale": [0-9.]*, '
ok "one side" up -i in.png -H 90 --tile 16 --no-refine -o side.png --json
has out '"width": 129, "height": 90, '
ok "refined" up -i in.png -s 3 -o refined.png --json
has out '"width": 80, "height": 56, "model": "nano-turbo", "prompt": "masterpiece, 8k", "steps": 5, '
ok "again" "$zis" generate --from-image refined.png -o again.png
same refined.png again.png "recipe"

# The help page tells the defaults that the picture above was made with.
[ "$("$zis" generate --help | grep -c 'masterpiece')" = 0 ] || fail "a default of upscale in generate's help"
ok "help" "$zis" upscale --help
tr -s '\n ' ' ' <out >flat
for said in 'standard input (default: masterpiece, 8k)' 'width of the picture (1 to 8192 pixels; default: --scale times' \
    'steps (1 to 1000; default: 5;' 'anew; .* (0 to 1; default: 0.33)'; do has flat "$said"; done
has refined.png 'Denoising strength: 0.33'
! grep -q ' $' out || fail "blanks at ends of lines: $(grep ' $' out)"

# Those that are here are listed, with what --upscaler takes.
ok "list" "$zis" models
has out "^nano  *[0-9.]* [kM]B  *x4 .*tiny, ships with zis"
has out "nano/upscaler/nano_x4.pth$"
ok "list as JSON" "$zis" models --json
has out '"upscalers": \['
has out '{"name": "nano", "scale": 4, "path": ".*/nano_x4.pth", "bytes": [1-9][0-9]*}'
! grep -q '"x4plus"' out || fail "an upscaler that is not here is listed"

# What only the model that draws over it reads.
echo "a cat" >prompt.txt
ok "left over flags" up -i in.png --no-refine --steps 3 -s 4 --prompt-file prompt.txt -m nano -W 40 -o left.png --json
has out '"warnings": \["--steps does nothing with --refine off; -s does nothing with --refine off; --prompt-file does'
has err '^warning: --steps does nothing with --refine off; '
ok "none" up -i in.png --no-refine -m nano -W 40 --tile 64 --dtype f32 -o none.png --json
has out '"warnings": \[\]'
ok "quiet" up -i in.png --refine off --strength 0.5 -q -o left.png
[ ! -s err ] || fail "a warning in spite of --quiet: $(cat err)"

bad 2 "no picture to upscale" up -o x.png
bad 1 "is no upscaler" up -i in.png --upscaler "$src/models/nano/lora/sepia.safetensors" --no-refine -o x.png
bad 1 "no file and none of nano, x4plus" up -i in.png --upscaler /nowhere/x.pth --no-refine -o x.png
HF_HOME=/nonexistent bad 1 "needs RealESRGAN_x4plus.pth of lllyasviel/Annotators" \
    up -i in.png --upscaler x4plus --no-refine -o x.png
bad 2 "at most 8192 a side" up -i "$src/docs/gallery/apple.png" --scale 60 --no-refine -o x.png
bad 2 "would be the same" up -i in.png -b 2 --no-refine -o x.png
[ ! -e x.png ] || fail "a refused picture was left behind"
finish

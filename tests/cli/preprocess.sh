#!/bin/bash
# zis preprocess: maps, their answers, and every way in which there is none.
. "$(dirname "$0")/lib/common.bash" "$@"
photo=$src/docs/gallery/teapot.png
p=("$zis" preprocess)

ok "edges" "${p[@]}" canny -i "$photo" -o edges.png
has out "^edges.png  256x256  canny"
png_magic edges.png
ok "to standard output" "${p[@]}" canny -i "$photo" -o -
cmp -s out edges.png || fail "-o - differs from -o FILE"
ok "as JPEG, with --json" "${p[@]}" none -i "$photo" -o same.jpg --json
for key in '"ok": true' '"output": \["same.jpg"\]' '"width": 256' '"height": 256' \
    '"preprocess": "none"' '"seed": null' '"device": "cpu"' '"dtype": "' '"seconds": {"load": ' \
    '"control": ' '"total": ' '"peak_memory_bytes": ' '"warnings": \[\]}'; do
    has out "$key"
done

bad 2 "is missing; try: zis preprocess canny" "${p[@]}" canny -i "$photo"
bad 2 "is missing" "${p[@]}" -i "$photo" -o x.png
bad 2 "no preprocessor 'sketch'; it may be: none, canny, depth, pose" "${p[@]}" sketch -i "$photo" -o x.png
bad 2 "choose one" "${p[@]}" canny -i "$photo" -o - --json
bad 2 "it may be: auto, f32, bf16" "${p[@]}" canny -i "$photo" -o x.png --dtype f64
bad 2 "png" "${p[@]}" canny -i "$photo" -o x.gif
bad 1 "cannot open 'gone.png'" "${p[@]}" canny -i gone.png -o x.png
bad 2 "no device is named 'tpu'" "${p[@]}" canny -i "$photo" -o x.png --device tpu

# Weights that are not there: which, where, how to get them.
bad 1 "the preprocessor 'depth' needs dpt_hybrid-midas-501f0c75.pt of lllyasviel/Annotators" \
    "${p[@]}" depth -i "$photo" -o x.png
has err "\`zis fetch depth\` gets it"
has err "--preprocess-weights"
has err "looked in $ZIS_MODELS, "
has err "/nonexistent/models--lllyasviel--Annotators"
bad 1 "the preprocessor 'pose' needs body_pose_model.pth" "${p[@]}" pose -i "$photo" -o x.png --json
has out '^{"ok": false, "error": {"code": "not_found"'
bad 1 "--preprocess-weights: there is no file 'w.pth'" \
    "${p[@]}" depth -i "$photo" -o x.png --preprocess-weights w.pth

# Weights that are something else, or broken.
vae=$src/models/nano/turbo/vae/diffusion_pytorch_model.safetensors
bad 1 "is not MiDaS DPT-hybrid of this configuration (360 tensors missing" \
    "${p[@]}" depth -i "$photo" -o x.png --weights "$vae"
bad 1 "is not OpenPose's body network" "${p[@]}" pose -i "$photo" -o x.png --weights "$vae"
bad 1 "os.system" "${p[@]}" pose -i "$photo" -o x.png \
    --weights "$src/tests/golden/data/pth/os-system.pth"
echo "not weights" >w.pth
bad 1 "w.pth" "${p[@]}" pose -i "$photo" -o x.png --weights w.pth
[ -e x.png ] && fail "a failed run left a picture"

# A network whole: synthetic weights, of real shapes, found by name.
if [ -z "$sanitized" ]; then
    mkdir -p models/annotators
    ok "weights" "$zis" synth pose models/annotators/body_pose_model.safetensors -q
    ok "info" "$zis" info models/annotators/body_pose_model.safetensors
    has out "OpenPose body, layout published"
    ZIS_MODELS=$dir/models ok "pose" "${p[@]}" pose -i "$photo" -o pose.png --json
    has out '"width": 512, "height": 512'
    has out '"warnings": \["the map is black: nothing was found in the picture"\]'
    png_magic pose.png
    truncate -s -1000 models/annotators/body_pose_model.safetensors
    ZIS_MODELS=$dir/models bad 1 "body_pose_model.safetensors" "${p[@]}" pose -i "$photo" -o cut.png
    [ -e cut.png ] && fail "weights cut short made a picture"
fi
bad 2 "--preprocess-weights does nothing for canny" "$zis" preprocess canny -i "$src/docs/gallery/apple.png" \
    --preprocess-weights w.pth -o never.png
[ ! -e never.png ] || fail "a refused map was left behind"
finish

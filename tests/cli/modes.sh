# zis generate from pictures: image to image, inpainting, ControlNet. modes.sh ZIS SOURCE_DIR
. "$(dirname "$0")/lib/common.bash"
gallery=$src/docs/gallery

# Image to image: the picture's size, or the one asked for; recipes repeat it.
ok "a small picture" "$zis" generate "x" -W 40 -H 24 --steps 1 -s 1 -t 1 -o in.png
ok "its own size" "$zis" generate "a cat" -i in.png --steps 2 -s 1 -t 1 -o a.png --json
has out '"width": 40, "height": 24'
has out '"encode": 0.0*[1-9]'
has a.png 'Denoising strength: 0.6'
ok "again" "$zis" generate --from-image a.png -t 1 -o b.png
cmp -s a.png b.png || fail "the recipe of image to image gives another picture"
ok "one side" "$zis" generate "a cat" -i in.png -W 80 --steps 1 -t 1 -o c.png --json
has out '"width": 80, "height": 48'
ok "both sides" "$zis" generate "a cat" -i in.png -W 17 -H 33 --steps 1 -t 1 -o c.png --json
has out '"width": 17, "height": 33'
ok "thin" "$zis" generate "x" -W 1 -H 20 --steps 1 -s 1 -t 1 -o thin.png
ok "from a thin one" "$zis" generate "x" -i thin.png --steps 1 -t 1 -o c.jpg --json
has out '"width": 1, "height": 20'
ok "strength 0" "$zis" generate "x" -i in.png --strength 0 --steps 1 -s 1 -t 1 --no-metadata -o z1.png
ok "strength 0, another seed" "$zis" generate "x" -i in.png --strength 0 --steps 1 -s 2 -t 1 --no-metadata -o z2.png
cmp -s z1.png z2.png || fail "at strength 0 the noise has a say"
ok "diffusers' rule" "$zis" generate "x" -i in.png --strength-rule diffusers --steps 4 -s 1 -t 1 -o d.png
ok "again" "$zis" generate --from-image d.png -t 1 -o d2.png
cmp -s d.png d2.png || fail "the recipe of diffusers' rule gives another picture"
bad 2 "leaves none of 3 steps" "$zis" generate "x" -i in.png --strength-rule diffusers --strength 0 --steps 3 -o n.png
bad 2 "must be a number from 0 to 1" "$zis" generate "x" -i in.png --strength 1.1 -o n.png
bad 1 "nothere.png" "$zis" generate "x" -i nothere.png -o n.png
head -c 300 in.png >cut.png
bad 1 "cut.png" "$zis" generate "x" -i cut.png -o n.png
bad 1 "" "$zis" generate "x" -i "$src/README.md" -o n.png

# Inpainting.
ok "inpainting" "$zis" generate "a cat" -i in.png --mask in.png --steps 2 -s 1 -t 1 -o m.png
has m.png 'Mask: in.png'
ok "again" "$zis" generate --from-image m.png -t 1 -o m2.png
cmp -s m.png m2.png || fail "the recipe of inpainting gives another picture"
ok "a black mask" "$zis" preprocess none -i in.png -o in-rgb.png
bad 2 "40 x 24" "$zis" generate "x" -i in.png --mask "$gallery/apple.png" --steps 1 -o n.png
bad 2 "--mask does nothing without --image" "$zis" generate "x" --mask in.png -o n.png

# ControlNet: found for nano, with its own number of steps.
ok "control" "$zis" generate "a house" --control-image "$gallery/house-drawing.png" --preprocess canny \
    -W 64 -H 64 --steps 2 -s 1 -t 1 -o k.png --json
has out '"control": 0.0*[1-9]'
has k.png 'Preprocessor: canny'
ok "again" "$zis" generate --from-image k.png -t 1 -o k2.png
cmp -s k.png k2.png || fail "the recipe of a controlled picture gives another picture"
ok "no control" "$zis" generate "a house" -W 64 -H 64 --steps 2 -s 1 -t 1 --no-metadata -o k0.png
for off in "--control-strength 0" "--control-start 1" "--control-end 0"; do
    # shellcheck disable=SC2086 # two words
    ok "$off" "$zis" generate "a house" --control-image in.png $off -W 64 -H 64 --steps 2 -s 1 -t 1 \
        --no-metadata -o k1.png
    cmp -s k0.png k1.png || fail "$off still controls"
done
ok "for a part of the steps" "$zis" generate "a house" --control-image in.png --control-end 0.5 -W 64 -H 64 \
    --steps 2 -s 1 -t 1 --no-metadata -o k1.png
cmp -s k0.png k1.png && fail "--control-end 0.5 controls nothing"
ok "all at once" "$zis" generate "a house" -m nano-base --cfg 3 -n blurry -i in.png --mask in.png \
    --control-image in.png --control-net nano-controlnet --lora sepia:0.5 --steps 1 -s 1 -t 1 -o all.png
ok "again" "$zis" generate --from-image all.png -t 1 -o all2.png
cmp -s all.png all2.png || fail "the recipe of all at once gives another picture"
ok "a ControlNet that sees the mask alone" "$zis" generate "x" -i in.png --mask in.png \
    --control-net "$src/models/nano/controlnet" --steps 1 -s 1 -t 1 -o i.png

# Files of a recipe that moved with their picture: from the current folder, else from beside it.
mkdir -p moved/sub far
cp all.png moved/
bad 1 "names 'far/in.png' (image), which is neither there nor beside the picture: no 'far/in.png', no 'moved/far/in.png', no 'moved/in.png'; say with --image" \
    sh -c "cp in.png far/; '$zis' generate x -i far/in.png --steps 1 -s 1 -t 1 -q -o moved/f.png && rm far/in.png && exec '$zis' generate --from-image moved/f.png -o n.png"
cp in.png moved/sub/
(cd moved/sub && "$zis" generate x -i in.png --mask in.png --steps 1 -s 1 -t 1 -q -o ../g.png) || fail "in a folder"
mv moved/sub/in.png moved/
mv in.png kept.png
ok "beside it" "$zis" generate --from-image moved/g.png -t 1 -o moved/g2.png
has err "^note: the recipe's 'in.png' (image) is taken from 'moved/in.png'"
has moved/g2.png 'Image: moved/in.png'
mv kept.png in.png
ok "the current folder first" "$zis" generate --from-image moved/g.png -t 1 --strength 0.5 -o moved/g3.png
[ -s err ] && grep -q "^note" err && fail "a file that is there, yet: $(cat err)"
cp in.png kept.png
cp a.png in.png
bad 2 "names 'in.png' (image), and there are two that differ: 'in.png' here and 'moved/in.png'; say with --image which one" \
    "$zis" generate --from-image moved/g.png -o n.png
mv kept.png in.png
ok "named anew" "$zis" generate --from-image moved/f.png -i in.png -t 1 -o moved/f2.png
mkdir -p away/w
cp "$src/models/nano/lora/sepia.safetensors" away/w/brown.safetensors
cp "$src/models/nano/controlnet/nano-controlnet-union-2.1.safetensors" away/w/net.safetensors
cp in.png away/
cp "$src/models/nano/upscaler/nano_x4.pth" away/w/
(cd away && "$zis" generate x --lora w/brown.safetensors:0.5 --control-image in.png \
    --control-net w/net.safetensors --steps 1 -s 1 -t 1 -q -o made.png &&
    "$zis" upscale -i in.png --upscaler w/nano_x4.pth --no-refine -t 1 -q -o up.png) || fail "weights by path"
ok "weights beside it" "$zis" generate --from-image away/made.png -t 1 -o again.png
has err "'w/brown.safetensors' (loras) is taken from 'away/w/brown.safetensors'"
has err "'w/net.safetensors' (control_net) is taken from"
ok "an upscaler beside it" "$zis" generate --from-image away/up.png -t 1 -o again.png
has err "'w/nano_x4.pth' (upscaler) is taken from"
mv away/w/brown.safetensors away/
ok "the name alone" "$zis" generate --from-image away/made.png -t 1 -q -o again.png
rm away/brown.safetensors
bad 1 "names 'w/brown.safetensors' (loras), .*no 'away/w/brown.safetensors', no 'away/brown.safetensors'; say with --lora" \
    "$zis" generate --from-image away/made.png -o n.png
ok "without it" "$zis" generate --from-image away/made.png --lora none -t 1 -o again.png
bad 2 "lies behind" "$zis" generate "x" --control-image in.png --control-start 0.6 --control-end 0.5 -o n.png
for idle in "--preprocess canny" "--preprocess-weights w.pth" "--control-strength 1" "--control-start 0.1" "--control-end 1"; do
    # shellcheck disable=SC2086 # two words
    bad 2 "${idle% *} does nothing without --control-image; leave it out" "$zis" generate "x" $idle -o n.png
    # shellcheck disable=SC2086
    bad 2 "${idle% *} does nothing" "$zis" generate "x" -i in.png --mask in.png $idle -o n.png
done
bad 2 "--strength does nothing without --image" "$zis" generate "x" --strength 0.5 -o n.png
bad 2 "--strength-rule does nothing" "$zis" generate "x" --strength-rule diffusers -o n.png
bad 2 "--strength does nothing without --image" "$zis" generate --from-image k.png --strength 0.5 -o n.png
bad 2 "does nothing with --preprocess canny, only with depth, pose" "$zis" generate "x" --control-image in.png \
    --preprocess canny --preprocess-weights w.pth -o n.png
ok "what goes with a picture of the recipe" "$zis" generate --from-image a.png --strength 0.5 -t 1 -o n2.png
bad 2 "needs a picture" "$zis" generate "x" --control-net nano-controlnet -o n.png
bad 1 "no Z-Image ControlNet" "$zis" generate "x" --control-image in.png \
    --control-net "$src/models/nano/lora/sepia.safetensors" -o n.png
bad 1 "there is no ControlNet" "$zis" generate "x" --control-image in.png --control-net nothing -o n.png
mkdir -p lone/bin family/turbo/controlnet
cp "$zis" lone/bin/zis # its own folder has no models beside it
ln -s "$src/models/nano/turbo/"{transformer,text_encoder,vae,tokenizer} family/turbo/
ZIS_MODELS=/nowhere bad 1 "looked in family/turbo/controlnet, family/turbo/../controlnet and the Hugging Face cache" \
    lone/bin/zis generate "x" -m family/turbo --control-image in.png -o n.png
bad 1 "zis fetch alibaba-pai" "$zis" generate "x" --control-image in.png --control-net controlnet-2.1-8steps -o n.png
[ -e n.png ] && fail "a failure left a picture behind"
ok "its version" "$zis" info "$src/models/nano/controlnet/nano-controlnet-union-2.1.safetensors"
has out 'Z-Image ControlNet, layout 2.1'
ok "its list" "$zis" models --json
has out '"control_nets"'
has out '"name": "nano-controlnet", "version": "2.1"'
finish

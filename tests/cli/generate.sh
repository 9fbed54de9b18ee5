#!/bin/bash
# zis generate: files, names, streams, recipes, repeatability.
. "$(dirname "$0")/lib/common.bash" "$@"

ok "a PNG" "$zis" generate "a red apple" "${small[@]}" -s 5 -o apple.png
png_magic apple.png
ok "its size" "$zis" info apple.png
has out "48 x 32"
has out "^a red apple$"
has out "Steps: 1, Sampler: euler, CFG scale: 1, Seed: 5, Size: 48x32, Model: nano-turbo"

# The same seed gives the same bytes, also from another process and with more threads.
ok "again" "$zis" generate "a red apple" "${small[@]}" -t 2 -s 5 -o again.png
cmp -s apple.png again.png || fail "the same seed gave another file"
ok "another seed" "$zis" generate "a red apple" "${small[@]}" -s 6 -o other.png
cmp -s apple.png other.png && fail "another seed gave the same file"

# --json: one object on standard output, all keys there.
ok "json" "$zis" generate "a red apple" "${small[@]}" -s 5 -o j.png --json
[ "$(wc -l <out)" = 1 ] || fail "--json printed more than one line"
for key in '"ok": true' '"output": \["j.png"\]' '"width": 48' '"height": 32' '"seed": 5' \
    '"model": "nano-turbo"' '"prompt": "a red apple"' '"steps": 1' '"cfg": 1' '"shift": 3' \
    '"device": "cpu"' '"dtype": "' '"seconds": {"load": ' '"text": ' '"encode": ' '"control": ' \
    '"denoise": ' '"decode": ' '"total": ' '"peak_memory_bytes": [1-9]' '"warnings": \[\]'; do
    has out "$key"
done

# Random seeds are drawn and said.
ok "random" "$zis" generate "x" "${small[@]}" -o r.png --json
has out '"seed": [0-9]'
ok "no -o" "$zis" generate "x" "${small[@]}" -s 77
[ -f zis-77.png ] || fail "without -o there is no zis-77.png"
has out "zis-77.png  48x32  seed 77"

# Standard output, other formats, batches.
ok "stdout" "$zis" generate "a red apple" "${small[@]}" -s 5 -o -
cmp -s out apple.png || fail "-o - gave another picture"
ok "jpeg" "$zis" generate "a red apple" "${small[@]}" -s 5 -o a.jpg
[ "$(head -c 2 a.jpg | od -An -tx1 | tr -d ' ')" = ffd8 ] || fail "a.jpg is no JPEG"
ok "webp" "$zis" generate "a red apple" "${small[@]}" -s 5 -o a.webp
[ "$(head -c 4 a.webp)" = RIFF ] || fail "a.webp is no WebP"
ok "batch" "$zis" generate "a red apple" "${small[@]}" -s 5 -b 2 -o b%02d.png --json
has out '"output": \["b00.png", "b01.png"\]'
cmp -s b00.png apple.png || fail "the first of a batch is not the single picture"
cmp -s b01.png other.png || fail "the second of a batch does not have the next seed"
ok "batch without %d" "$zis" generate "a red apple" "${small[@]}" -s 5 -b 2 -o c.png
cmp -s c.png apple.png && cmp -s c_2.png other.png || fail "batch without %d: c.png, c_2.png"

# Recipes repeat the picture; options change it.
ok "from png" "$zis" generate --from-image apple.png -o f.png
cmp -s f.png apple.png || fail "--from-image of a PNG gave another picture"
ok "from jpeg" "$zis" generate --from-image a.jpg -o f.png
cmp -s f.png apple.png || fail "--from-image of a JPEG gave another picture"
ok "from webp" "$zis" generate --from-image a.webp -o f.png
cmp -s f.png apple.png || fail "--from-image of a WebP gave another picture"
ok "round numbers" "$zis" generate x -W 40 -H 30 --steps 10 -s 10 -o q.png
ok "round numbers" "$zis" generate --from-image q.png -o f.png
cmp -s f.png q.png || fail "round numbers did not survive the recipe"
ok "changed" "$zis" generate --from-image apple.png -s 6 -o f.png
cmp -s f.png other.png || fail "-s did not change the recipe"
ok "no metadata" "$zis" generate "a red apple" "${small[@]}" -s 5 -o n.png --no-metadata
ok "no metadata" "$zis" info n.png
has out "without a recipe"
bad 1 "carries no recipe" "$zis" generate --from-image n.png -o f.png

# Prompts from elsewhere, and of every kind.
printf 'a red apple\n' >prompt.txt
ok "prompt file" "$zis" generate --prompt-file prompt.txt "${small[@]}" -s 5 -o p.png
cmp -s p.png apple.png || fail "--prompt-file gave another picture"
ok "prompt on stdin" "$zis" generate -p - "${small[@]}" -s 5 -o p.png <prompt.txt
cmp -s p.png apple.png || fail "-p - gave another picture"
ok "empty prompt" "$zis" generate "" "${small[@]}" -o p.png
ok "odd prompt" "$zis" generate $'\xe7\x8c\xab \xf0\x9f\x90\xb1 "quoted", Steps: 3\nNegative prompt: x' \
    "${small[@]}" -s 5 -o o.jpg
ok "odd prompt again" "$zis" generate --from-image o.jpg -o o2.jpg
cmp -s o.jpg o2.jpg || fail "an odd prompt did not survive the recipe"
head -c 100000 /dev/zero | tr '\0' 'a' >long.txt
ok "long prompt" "$zis" generate --prompt-file long.txt "${small[@]}" -o l.png --json
has out '"warnings": \["the prompt has [0-9]* tokens; only the first 512 count"\]'
ok "long recipe" "$zis" generate --from-image l.png -o l2.png
cmp -s l.png l2.png || fail "a long prompt did not survive the recipe"

# Guidance, noise, sizes that are no multiple of 16, other arithmetic.
ok "cfg" "$zis" generate "a cat" "${small[@]}" -m nano-base --cfg 3 -n blurry -s 1 -o g.png --json
has out '"model": "nano-base"'
ok "cfg off" "$zis" generate "a cat" "${small[@]}" -n blurry -s 1 -o h.png --json
has out "the negative prompt is not used"
for rng in torch torch-bf16 torch-bf16-old; do
    ok "$rng" "$zis" generate "x" "${small[@]}" -s 1 --rng $rng -o $rng.png --no-metadata
done
cmp -s torch.png torch-bf16-old.png && fail "--rng changes nothing"
ok "odd size" "$zis" generate "x" -W 37 -H 21 --steps 1 -s 1 -o s.png --json
has out '"width": 37, "height": 21'
ok "tiny" "$zis" generate "x" -W 1 -H 1 --steps 1 -s 1 -o t.png
for dtype in f32 bf16; do
    ok "$dtype" "$zis" generate "x" "${small[@]}" --dtype $dtype -o d.png --json
    has out "\"dtype\": \"$dtype\""
done
ok "plain C" env ZIS_CPU=c "$zis" generate "x" "${small[@]}" -s 1 -o d.png
ok "quiet" "$zis" generate "x" "${small[@]}" -q -o d.png
[ ! -s out ] && [ ! -s err ] || fail "--quiet prints something"
ok "double dash" "$zis" generate "${small[@]}" -o d.png -- "-x"
ok "help" "$zis" generate --help
has out "--cfg X"
ok "no arguments" "$zis"
has out "Usage: zis COMMAND"
finish

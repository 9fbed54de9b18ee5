#!/bin/bash
# Bad usage: exit code 2, one sentence that names the value.
. "$(dirname "$0")/lib/common.bash" "$@"
g=("$zis" generate x "${small[@]}")

bad 2 "there is no command 'paint'" "$zis" paint
bad 2 "there is no option --colour" "${g[@]}" --colour red
bad 2 "there is no option -Z" "${g[@]}" -Z
bad 2 "--steps needs a value" "$zis" generate x --steps
bad 2 "-o needs a value" "$zis" generate x -o
bad 2 "one argument too many" "$zis" generate a red apple
bad 2 "there is no prompt" "$zis" generate -o x.png
bad 2 "must be a whole number from 1 to 8192 pixels, not '0'" "${g[@]}" -W 0
bad 2 "not '-16'" "${g[@]}" -H -16
bad 2 "not '8193'" "${g[@]}" --width 8193
bad 2 "not '99999999999999999999'" "${g[@]}" --width 99999999999999999999
bad 2 "not '12.5'" "${g[@]}" --width 12.5
bad 2 "not ''" "${g[@]}" --width ''
bad 2 "not ' 16'" "${g[@]}" --width ' 16'
bad 2 "not '0x10'" "${g[@]}" --width 0x10
bad 2 "--steps must be a whole number from 1 to 1000, not '0'" "${g[@]}" --steps 0
bad 2 "not '1001'" "${g[@]}" --steps 1001
bad 2 "--cfg must be a number from 0 to 100, not 'nan'" "${g[@]}" --cfg nan
bad 2 "not 'inf'" "${g[@]}" --cfg-scale inf
bad 2 "not '-1'" "${g[@]}" --cfg -1
bad 2 "not '0'" "${g[@]}" --shift 0
bad 2 "not '-2'" "${g[@]}" -s -2
bad 2 "9223372036854775807, not '9223372036854775808'" "${g[@]}" -s 9223372036854775808
bad 2 "choose a smaller seed" "${g[@]}" -s 9223372036854775807 -b 2 -o x.png
bad 2 "not '0'" "${g[@]}" -b 0
bad 2 "does not know 'dpm'; it may be: euler" "${g[@]}" --sampler dpm
bad 2 "it may be: torch, torch-bf16, torch-bf16-old" "${g[@]}" --rng cuda
bad 2 "it may be: auto, f32, bf16" "${g[@]}" --dtype q4
bad 2 "--threads must be" "${g[@]}" --threads 0
bad 2 "no device is named 'tpu'" "${g[@]}" --device tpu -o x.png
bad 2 "" "${g[@]}" -o x.gif
has err "png"
bad 2 "the prompt is given twice: as a word of its own and by --prompt-file" "${g[@]}" --prompt-file huge.txt -o x.png
bad 2 "the prompt is given twice: as a word of its own and --prompt" "${g[@]}" --prompt y -o x.png
bad 2 "takes one picture" "${g[@]}" -o - -b 2
bad 2 "more than one %d" "${g[@]}" -o %d-%d.png
bad 2 "choose one" "${g[@]}" -o - --json
bad 2 "is not valid UTF-8: byte 2" "$zis" generate $'a\xff' "${small[@]}"
printf 'a\0b' >zero.txt
bad 2 "holds a zero byte" "$zis" generate --prompt-file zero.txt "${small[@]}"
head -c 1100000 /dev/zero | tr '\0' 'a' >huge.txt
bad 1 "huge.txt" "$zis" generate --prompt-file huge.txt "${small[@]}"
bad 2 "at most 1048576" "$zis" generate -p - "${small[@]}" <huge.txt
bad 1 "" "$zis" generate --prompt-file missing.txt "${small[@]}"
bad 1 "" "$zis" generate --from-image missing.png
bad 1 "" "$zis" generate --from-image huge.txt
"${g[@]}" -s 9223372036854775807 -o x.png >out 2>err || fail "the largest seed: $(cat err)"
env ZIS_CPU=mmx "${g[@]}" -o x.png >out 2>err
[ $? != 0 ] && grep -q mmx err && grep -q avx2 err || fail "ZIS_CPU=mmx: $(cat err)"

# Failures in JSON, too.
"$zis" generate x --steps 0 --json >out 2>err
[ $? = 2 ] || fail "--json with bad usage does not exit with 2"
has out '^{"ok": false, "error": {"code": "bad_argument", "message": "--steps must be'

bad 2 "there is no file" "$zis" info
bad 1 "" "$zis" info missing.safetensors
bad 1 "" "$zis" info huge.txt
bad 2 "does not know 'everything'" "$zis" synth everything out
bad 2 "missing" "$zis" synth vae
bad 2 "--dtype does not know" "$zis" selftest --dtype q4
bad 1 "" "$zis" selftest missing
echo broken >broken.safetensors
bad 1 "1 of [0-9]* comparisons failed" "$zis" selftest --dtype f32 broken.safetensors "$src/tests/golden/data/randn.safetensors"
has out "^[1-9][0-9]* passed, 1 failed, 0 skipped"
bad 2 "there is no command" "$zis" help paint
finish

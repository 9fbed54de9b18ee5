#!/bin/bash
# What the images API of OpenAI and that of A1111 say to values they do not know.
. "$(dirname "$0")/lib/http.bash" "$@"
start --queue 5
apple=$src/docs/gallery/apple.png

# ---- OpenAI: type, code, and the field by the name it has there ----
# wrong PARAM MEMBERS WORDS
wrong() {
    post /v1/images/generations "{\"prompt\": \"x\", $2}"
    refused 400 bad_argument "$3"
    want 400 .error.type invalid_request_error
    want 400 .error.param "$1"
}
wrong n '"n": 0' "n must be a whole number from 1 to 16, not '0'"
wrong n '"n": 17' "n must be a whole number from 1 to 16, not '17'"
wrong n '"n": 1.5' "n must be a whole number from 1 to 16, not '1.5'"
wrong n '"n": [1]' 'n must be a string or a number'
wrong size '"size": "large"' "size must be WIDTHxHEIGHT or auto, not 'large'"
wrong size '"size": "0x64"' "size (its width) must be a whole number from 1"
wrong size '"size": "64x"' "size (its height) must be a whole number from 1"
wrong size '"size": "00000000000000000000000000000064x64"' 'size must be WIDTHxHEIGHT'
wrong quality '"quality": "best"' "quality does not know 'best'; it may be: auto, low, medium, high, standard, hd"
wrong quality '"quality": "low, medium"' 'quality does not know'
wrong response_format '"response_format": "b64"' "response_format does not know 'b64'; it may be: b64_json, url"
wrong output_format '"output_format": "gif"' "output_format does not know 'gif'; it may be: png, jpeg, webp"
wrong stream '"stream": "yes"' "stream does not know 'yes'"
wrong partial_images '"stream": true, "partial_images": 4' 'partial_images must be a whole number from 0 to 3'
wrong num_inference_steps '"num_inference_steps": 0' 'num_inference_steps must be a whole number from 1'
wrong guidance_scale '"guidance_scale": "much"' 'guidance_scale must be a number'
post /v1/images/generations '{"prompt": "x", "model": "sdxl"}'
refused 404 not_found "there is no model 'sdxl'; there are: nano-turbo"
want 404 .error.type invalid_request_error
want 404 .error.param model
post /v1/images/generations '{"n": 1}'
refused 400 bad_argument 'prompt is missing'
want 400 .error.param prompt
ask POST /v1/images/edits -F prompt=x -F n=17 -F "image=@$apple"
refused 400 bad_argument 'from 1 to 16'
want 400 .error.param n
ask POST /v1/images/edits -F prompt=x -F image=@server.out
refused 400 bad_format 'server.out'
want 400 .error.param image
# what its clients send without asking
post /v1/images/generations '{"prompt": "", "model": "dall-e-3", "n": null, "size": "64x64", "quality": "hd", "style": "vivid", "steps": 1, "user": "u", "response_format": ""}'
want 200 '.data | length' 1
for model in gpt-image-1 dall-e-2 chatgpt-image-latest nano-base; do
    post /v1/images/generations "{\"prompt\": \"x\", \"model\": \"$model\", \"n\": \"1\", \"size\": \"32x32\", \"quality\": \"auto\", \"steps\": 1}"
    want 200 '.data | length' 1
done

# ---- A1111: names of samplers and schedulers ----
small='"prompt": "x", "width": 32, "height": 32, "steps": 1'
# stands WARNINGS MEMBERS: drawn by ours, and info says how many names stood for it
stands() {
    post /sdapi/v1/txt2img "{$small, $2}"
    want 200 '.info | fromjson | "\(.sampler_name) \(.scheduler) \(.warnings | length)"' "euler shift $1"
}
stands 0 '"sampler_name": "euler", "scheduler": "shift"'
stands 0 '"sampler_name": "Euler", "scheduler": "Automatic"'
stands 0 '"sampler_name": null, "scheduler": "", "sampler_index": "Euler"'
stands 1 '"sampler_name": "Euler a"'
stands 1 '"sampler_name": "DPM++ 2M Karras"'
stands 1 '"sampler_index": "dpm++ 2m sde exponential"'
stands 1 '"sampler_name": "k_dpmpp_2m"'
stands 2 '"sampler_name": "UniPC", "scheduler": "sgm_uniform"'
want 200 '.info | fromjson | .warnings[0]' "sampler 'UniPC' is not here: euler was used"
want 200 '.info | fromjson | .warnings[1]' "scheduler 'sgm_uniform' is not here: shift was used"
# unknown MEMBERS WORDS
unknown() {
    post /sdapi/v1/txt2img "{$small, $1}"
    want 404 .error not_found
    want 404 ".detail | contains(\"$2\")"
}
unknown '"sampler_name": "Eulerr"' "Sampler not found: 'Eulerr'"
unknown '"sampler_name": "Karras"' 'Sampler not found'
unknown '"sampler_name": "Euler foo"' 'Sampler not found'
unknown '"scheduler": "fast"' "Scheduler not found: 'fast'"
# every name that the lists tell is taken
for list in samplers:sampler_name schedulers:scheduler; do
    ask GET "/sdapi/v1/${list%:*}"
    jq -r '.[] | .name, .aliases[]' body >names
    [ "$(wc -l <names)" -gt 10 ] || fail "few names in ${list%:*}"
    while read -r name; do
        post /sdapi/v1/txt2img "{$small, \"${list#*:}\": \"$name\"}"
        [ "$status" = 200 ] || fail "${list#*:} $name: $status"
    done <names
done

# ---- A1111: values that cannot be meant ----
# no_sense MEMBERS WORDS
no_sense() {
    post /sdapi/v1/txt2img "{$1}"
    want 400 .error bad_argument
    want 400 ".detail | contains(\"$2\")"
}
no_sense '"steps": 0' 'steps must be a whole number from 1 to 1000'
no_sense '"steps": -3' 'steps must be a whole number from 1 to 1000'
no_sense '"width": 0' 'width must be a whole number from 1 to'
no_sense '"height": -1' 'height must be a whole number from 1 to'
no_sense '"batch_size": 0' 'batch_size must be a whole number from 1 to 16'
no_sense '"batch_size": "2"' 'batch_size must be a whole number from 1 to 16'
no_sense '"n_iter": 17' 'n_iter must be a whole number from 1 to 16'
no_sense '"n_iter": 4, "batch_size": 5' 'batch_size times n_iter must be from 1 to 16, not 20'
no_sense '"override_settings": 5' 'override_settings must be an object'
no_sense '"override_settings": {"sd_model_checkpoint": 5}' 'override_settings.sd_model_checkpoint must be a string'
no_sense '"sampler_name": 5' 'sampler_name must be a string'
no_sense '"prompt": "a <lora:sepia:abc>"' 'the strength in <lora:sepia:abc> must be one number from'
no_sense '"prompt": "a <lora:sepia:>"' 'the strength in <lora:sepia:> must be one number from'
no_sense '"prompt": "a <lora:sepia:0.5:0.9>"' 'must be one number from'
no_sense '"prompt": "a <lora::1>"' 'is a LoRA without a name'
post /sdapi/v1/txt2img "{$small, \"batch_size\": null, \"n_iter\": 2, \"override_settings\": null}"
want 200 '.images | length' 2
post /sdapi/v1/txt2img '{"prompt": "a <lora:sepia:0.5> cat", "width": 32, "height": 32, "steps": 1}'
want 200 '.info | fromjson | .infotexts[0] | contains("a  cat")'

# ---- A1111: what info tells, and its form of errors where there is no route ----
post /sdapi/v1/txt2img '{"prompt": "a \"red\" <lora:sepia:0.5>apple", "negative_prompt": "blue", "seed": 5, "cfg_scale": 2.5, "steps": 1, "width": 32, "height": 48, "n_iter": 2}'
want 200 '.info | fromjson | [.prompt, .negative_prompt, .seed, .steps, .cfg_scale, .sampler_name, .width, .height, .all_seeds, .all_prompts, .all_negative_prompts, (.infotexts | length)] | tojson' \
    '["a \"red\" apple","blue",5,1,2.5,"euler",32,48,[5,6],["a \"red\" apple","a \"red\" apple"],["blue","blue"],2]'
post /sdapi/v1/txt2img '{"width": 32, "height": 32}'
want 200 '.info | fromjson | [.prompt, .negative_prompt, .steps, .cfg_scale] | tojson' '["","",8,1]'
ask GET /sdapi/v1/nothing
want 404 '[.error, .detail] | tojson' '["not_found","there is nothing at /sdapi/v1/nothing"]'
ask PUT /sdapi/v1/txt2img
want 405 .error method_not_allowed
has head '^Allow: POST'

# ---- A1111: the checkpoint that scripts switch to ----
# drawn_by MODEL [MEMBERS]
drawn_by() {
    post /sdapi/v1/txt2img "{$small${2+, $2}}"
    want 200 '.info | fromjson | .infotexts[0] | capture("Model: (?<m>[^,]*)").m' "$1"
}
# chooses STATUS JSON
chooses() {
    post /sdapi/v1/options "$2"
    want "$1"
}
drawn_by nano-turbo
chooses 200 '{"sd_model_checkpoint": "nano-base [0123456789]", "samples_format": "png"}'
ask GET /sdapi/v1/options
want 200 .sd_model_checkpoint nano-base
drawn_by nano-base
drawn_by nano-turbo '"override_settings": {"sd_model_checkpoint": "nano-turbo"}'
drawn_by nano-base '"override_settings": {}'
chooses 404 '{"sd_model_checkpoint": "sdxl"}'
want 404 '.detail | contains("there is no model \u0027sdxl\u0027")'
chooses 409 '{"sd_model_checkpoint": "turbo"}'
chooses 400 '{"sd_model_checkpoint": 5}'
chooses 200 '{"CLIP_stop_at_last_layers": 2}'
ask GET /sdapi/v1/options
want 200 .sd_model_checkpoint nano-base
# the other dialects keep the server's own
submit "$tiny"
until_state "$id" done
want 200 .model nano-turbo
chooses 200 '{"sd_model_checkpoint": "nano-turbo"}'
drawn_by nano-turbo

# ---- A1111: one picture enlarged ----
base64 -w0 "$apple" >apple.b64
# enlarge MEMBERS: the answer's picture in ./large.png
enlarge() {
    printf '{"image": "%s"%s}' "$(cat apple.b64)" "${1:+, $1}" >ask.json
    post /sdapi/v1/extra-single-image @ask.json
    jq -r '.image // empty' body | base64 -d >large.png
}
# side N: ./large.png is of N x N pixels
side() {
    local got
    got=$(od -An -tu1 -j18 -N6 large.png | awk '{print $1 * 256 + $2, $5 * 256 + $6}')
    [ "$status" = 200 ] && [ "$got" = "$1 $1" ] || fail "line ${BASH_LINENO[0]}: status $status, $got pixels, not $1: $(head -c 300 body)"
}
old=$(od -An -tu1 -j18 -N2 "$apple" | awk '{print $1 * 256 + $2}')
jobs_before=$(curl -s "$base/metrics" | grep '^zis_jobs_total{state="done"}')
enlarge '"upscaler_1": "None", "upscaling_resize": 2'
side $((old * 2))
cp large.png none.png
enlarge '"upscaling_resize": 2'
side $((old * 2))
cmp -s large.png none.png || fail "no upscaler is not None"
enlarge '"upscaler_1": "Lanczos", "resize_mode": 1, "upscaling_resize_w": 100, "upscaling_resize_h": 100'
side 100
[ "$(curl -s "$base/metrics" | grep '^zis_jobs_total{state="done"}')" = "$jobs_before" ] || fail "a plain resize was a job"
enlarge '"upscaler_1": "nano", "upscaling_resize": 2'
side $((old * 2))
cmp -s large.png none.png && fail "the network was not asked"
enlarge '"upscaler_1": "SwinIR_4x"'
want 404 '.detail' "upscaler_1: there is no upscaler 'SwinIR_4x'; there are: None, Lanczos, nano, x4plus"
enlarge '"upscaler_1": 4'
want 400 '.detail' 'upscaler_1 must be a string'
enlarge '"upscaler_1": "R-ESRGAN 4x+"'
want 409 '.detail | contains("zis fetch upscaler")'
enlarge '"upscaling_resize": 5000'
want 400
post /sdapi/v1/extra-single-image '{}'
want 400 '.detail | startswith("image is missing")'

stop
finish

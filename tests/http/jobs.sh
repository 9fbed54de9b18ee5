#!/bin/bash
# Jobs: their states, events, pictures, cancelling, what a stop and a crash leave.
. "$(dirname "$0")/lib/http.bash" "$@"
start --queue 50

# ---- one job, seen from its stream ----
post /api/v1/jobs "{$tiny, \"steps\": 3, \"batch\": 2, \"seed\": 7, \"session\": \"one\"}"
refused 400 bad_format "a name stands twice in one object"
post /api/v1/jobs '{"prompt": "a cat", "width": 64, "height": 48, "steps": 4, "batch": 2, "seed": 7, "session": "one"}'
want 202
[ "$(jq -r '.state == "queued" or .state == "running"' body)" = true ] || fail "a new job is $(jq -r .state body)"
id=$(jq -r .id body)
has head "^Location: /api/v1/jobs/$id"
curl -sN --max-time 60 "$base/api/v1/jobs/$id/events" >events || fail "the stream did not end"
for event in started picture done; do has events "^event: $event"; done
[ "$(grep -c '^event: picture' events)" = 2 ] || fail "not two pictures in the stream"
has events '^retry: 1000'
sed -n 's/^data: //p' events | while read -r line; do
    printf '%s' "$line" | jq -e --arg id "$id" '.job == $id' >/dev/null || echo bad
done >bad
[ -s bad ] && fail "events that are no JSON of this job"
sed -n '/^event: done/{n;s/^data: //p}' events | jq -e '.object.state == "done" and (.object.images | length == 2)' >/dev/null ||
    fail "the last event has not the whole job"
ids=$(sed -n 's/^id: [0-9a-f]*-//p' events)
[ "$ids" = "$(printf '%s\n' "$ids" | sort -n)" ] || fail "numbers of events go back"

# What was seen is not sent again; another process's number begins anew.

before=$(sed -n 's/^id: //p' events | tail -n 2 | head -n 1)
curl -sN --max-time 10 -H "Last-Event-ID: $before" "$base/api/v1/jobs/$id/events" >again
[ "$(grep -c '^event: ' again)" = 1 ] || fail "after $before: $(grep '^event' again)"
has again '^event: done'
curl -sN --max-time 10 -H "Last-Event-ID: ffff-99" "$base/api/v1/jobs/$id/events" >again
has again '^event: started'

# ---- its pictures ----
ask GET "/api/v1/jobs/$id"
want 200 '.images[1].seed' 8
want 200 '.request.steps' 4
want 200 '.seconds.total > 0'
want 200 .progress.overall 1
ask GET "/api/v1/jobs/$id/images/1?download=1"
want 200
png_magic body
cp body one.png
has head '^Content-Disposition: attachment; filename="zis-8.png"'
tag=$(sed -n 's/^ETag: \(.*\)\r$/\1/p' head)
ask GET "/api/v1/jobs/$id/images/1" -H "If-None-Match: $tag"
want 304
ask GET "/api/v1/jobs/$id/images/2"
refused 404 not_found 'has no picture 2'
ok "its recipe" "$zis" info one.png
has out '^a cat$'
has out 'Seed: 8, Size: 64x48'
ok "the same by the command line" "$zis" generate "a cat" -W 64 -H 48 --steps 4 -s 8 -t 1 -o cli.png
[ -n "$sanitized" ] || cmp -s one.png cli.png || fail "the server and the command line drew differently"

# A result is where the next one starts.
submit "$tiny, \"image\": \"job:$id/1\", \"strength\": 0.5"
until_state "$id" done
want 200 '.images[0].recipe.strength' 0.5
submit "$tiny, \"format\": \"jpeg\", \"metadata\": false"
until_state "$id" done
ask GET "/api/v1/jobs/$id/image"
has head '^Content-Type: image/jpeg'

# Enlarged, and drawn over; a control picture; neither without its picture.
submit '"task": "upscale", "image": "job:'"$id"'", "steps": 1, "strength": 0.4, "seed": 1'
until_state "$id" done
want 200 '.task' upscale
want 200 '.images[0].width' 64
submit '"task": "upscale", "image": "job:'"$id"'", "upscaler": "nano", "refine": "off", "strength": 0.9, "scale": 1.5'
until_state "$id" done
want 200 '.images[0].recipe.upscaler' nano
want 200 '.images[0].width' 96
for bad in nothere "$src/models/nano/upscaler/nano_x4.pth"; do
    post /api/v1/jobs '{"task": "upscale", "image": "job:'"$id"'", "upscaler": "'"$bad"'"}'
    refused 404 not_found 'there is no upscaler'
done
post /api/v1/jobs '{"task": "upscale", "image": "job:'"$id"'", "upscaler": "x4plus"}'
refused 409 conflict 'zis fetch upscaler'
ask GET /openapi.json
want 200 '.components.schemas.JobRequest.properties | has("upscaler") and has("scale") and has("tile") and has("refine")'
post /api/v1/jobs '{"task": "upscale"}'
refused 400 bad_argument 'Upscale mode requires an input image'
submit "$tiny, \"control_image\": \"job:$id\", \"preprocess\": \"canny\", \"control_net\": \"nano-controlnet\""
until_state "$id" done
want 200 '.images[0].recipe.control_net' nano-controlnet
post /api/v1/jobs "{$tiny, \"control_image\": \"job:$id\", \"preprocess\": \"depth\"}"
refused 409 conflict 'zis fetch depth'

# ---- a form ----
ask POST /api/v1/jobs -F prompt='a dog' -F steps=1 -F width=32 -F height=32 -F 'loras=[{"name": "sepia", "strength": 0.5}]' \
    -F "image=@$src/docs/gallery/apple.png" -F "mask=@$src/docs/gallery/frog.png"
want 202
until_state "$(jq -r .id body)" done
want 200 '.request.loras[0].name' sepia
want 200 '.loras[0].report' 'matched 42 of 42 modules, rank 8, 0 keys left over'
ask POST /api/v1/jobs -F 'request={"prompt": "a dog", "steps": 1, "width": 32, "height": 32}' -F "image=@$src/docs/gallery/apple.png"
want 202
until_state "$(jq -r .id body)" done

# ---- an uploaded LoRA ----
ask POST '/api/v1/uploads?kind=lora&name=mine.safetensors' -H 'content-type: application/octet-stream' \
    --data-binary "@$src/models/nano/lora/sepia.safetensors"
want 200 .modules 42
ref=$(jq -r .ref body)
submit "$tiny, \"loras\": [{\"name\": \"$ref\", \"strength\": 0.8}]"
until_state "$id" done
want 200 '.images[0].recipe.loras[0].file' mine.safetensors
ask POST '/api/v1/uploads?kind=lora&name=no.safetensors' -H 'content-type: application/octet-stream' --data-binary "@$src/README.md"
refused 400 bad_format "no.safetensors"

# ---- cancelling ----
submit "$long, \"session\": \"two\""
running=$id
submit "$tiny, \"session\": \"two\""
waiting=$id
until_state "$running" running
for _ in $(seq 500); do
    ask GET "/api/v1/jobs/$running/preview"
    [ "$status" = 200 ] && break
    sleep 0.02
done
[ "$(head -c 3 body | od -An -tx1 | tr -d ' ')" = ffd8ff ] || fail "the preview is no JPEG"
ask GET "/api/v1/jobs/$running/image"
refused 409 conflict 'is not there yet'
ask GET /sdapi/v1/progress
want 200 '.state.sampling_steps' 1000
want 200 '.current_image | length > 100'
ask GET "/api/v1/jobs?session=two"
want 200 '.jobs | length' 2
ask DELETE "/api/v1/jobs/$waiting"
want 202 .state cancelled
ask DELETE "/api/v1/jobs/$running"
want 202
until_state "$running" cancelled
want 200 '.progress.step < 1000'
curl -sN --max-time 10 "$base/api/v1/jobs/$waiting/events" >events
has events '^event: cancelled'
ask DELETE "/api/v1/jobs/$waiting"
want 200 .state cancelled
ask GET "/api/v1/jobs/$waiting"
refused 404 not_found

# By the other dialect, and when the client goes that asked for it.
submit "$long"
until_state "$id" running
ask POST /sdapi/v1/interrupt -H "$json" -d '{}'
until_state "$id" cancelled
submit "$long"
until_state "$id" running
ask POST /sdapi/v1/skip
want 200
until_state "$id" cancelled
submit "$long, \"cancel_on_disconnect\": true"
curl -sN --max-time 1 "$base/api/v1/jobs/$id/events" >/dev/null
poll_state "$id" cancelled
submit "$long"
keeps=$id
curl -sN --max-time 1 "$base/api/v1/jobs/$id/events" >/dev/null
curl -s --max-time 1 -H 'X-Zis-On-Disconnect: cancel' -H "$json" -d '{"prompt": "y", "steps": 1000}' "$base/v1/images/generations" >/dev/null
ask GET "/api/v1/jobs/$keeps"
want 200 .state running
ask DELETE "/api/v1/jobs/$keeps"
until_state "$keeps" cancelled
for _ in $(seq 200); do
    ask GET /api/v1/status
    [ "$(jq -r .state body)" = ready ] && break
    sleep 0.05
done
want 200 .state ready

# ---- what is said wrongly ----
post /api/v1/jobs '{"steps": 0}'
refused 400 bad_argument "steps must be a whole number from 1 to 1000, not '0'"
want 400 .error.param steps
post /api/v1/jobs '{"stepz": 1}'
refused 400 bad_argument stepz
want 400 .error.param stepz
post /api/v1/jobs '{"steps": "8"}'
refused 400 bad_argument 'steps must be a number'
post /api/v1/jobs '{"model": "turbo"}'
refused 409 conflict 'zis fetch turbo'
want 409 .error.fetch 'zis fetch turbo'
post /api/v1/jobs '{"model": "/etc"}'
refused 404 not_found 'there is no model'
want 404 .error.param model
post /api/v1/jobs '{"model": "../nano"}'
refused 404 not_found
post /api/v1/jobs '{"loras": [{"name": "/etc/passwd"}]}'
refused 404 not_found
post /api/v1/jobs '{"control_net": "/etc/passwd"}'
refused 404 not_found
post /api/v1/jobs '{"image": "file:///etc/passwd"}'
refused 400 unsupported 'addresses are not fetched'
post /api/v1/jobs '{"image": "upload:0123456789abcdef"}'
refused 404 not_found 'send it again'
post /api/v1/jobs '{"image": "bm90IGEgcGljdHVyZQ=="}'
refused 400 bad_format 'image is no picture'
post /api/v1/jobs '{"text_encoder": "/x"}'
refused 400 bad_argument
post /api/v1/jobs '{"batch": 17}'
refused 400 bad_argument 'from 1 to 16'
post /api/v1/jobs '{"mask": "upload:0123456789abcdef"}'
refused 404 not_found
post /api/v1/jobs '{"preprocess": "canny"}'
refused 400 bad_argument 'ControlNet mode requires an input image'
post /api/v1/jobs '{"session": "a b"}'
refused 400 bad_argument session
post /api/v1/jobs '{"seed": "9223372036854775807", "width": 32, "height": 32, "steps": 1}'
want 202
until_state "$(jq -r .id body)" done
want 200 '.images[0].url | length > 10'
grep -q '"seed": 9223372036854775807' body || fail "the largest seed was not kept"

stop
grep -q 'a cat' server.err && fail "the log tells prompts"
has server.err 'method=POST path=/api/v1/jobs status=202'
finish

#!/bin/bash
# Every route of the table is asked once; the description says what the server does.
. "$(dirname "$0")/lib/http.bash" "$@"
start --queue 5

ask GET /openapi.json
want 200 .openapi 3.1.0
cp body openapi.json
jq -r '.paths | to_entries[] | .key as $p | .value | keys[] | "\(ascii_upcase) \($p)"' openapi.json | sort >described

submit "$tiny, \"session\": \"s\", \"seed\": 3"
job=$id
until_state "$job" done
ask POST /api/v1/uploads -H 'content-type: image/png' --data-binary "@$src/docs/gallery/apple.png"
want 201 .kind picture
upload=$(jq -r .id body)
picture=$(base64 -w0 "$src/docs/gallery/apple.png")

# METHOD PATH STATUS, with real arguments where braces stand; bodies follow in $data.
asked= answered=
try() { # STATUS METHOD PATTERN PATH [curl options]
    local want=$1 method=$2 pattern=$3 path=$4
    shift 4
    asked+="$method $pattern"$'\n'
    answered+="$want $method $pattern"$'\n'
    ask "$method" "$path" "$@"
    [ "$status" = "$want" ] || fail "$method $path: $status, not $want: $(head -c 400 body)"
}
same() { # STATUS METHOD PATH [curl options]
    local want=$1 method=$2 path=$3
    shift 3
    try "$want" "$method" "${path%%\?*}" "$path" "$@"
}
j=(-H "$json")

same 202 POST /api/v1/jobs "${j[@]}" -d "{$tiny}"
same 200 GET "/api/v1/jobs?session=s"
want 200 '.jobs[0].id' "$job"
try 200 GET '/api/v1/jobs/{id}' "/api/v1/jobs/$job"
try 200 GET '/api/v1/jobs/{id}/events' "/api/v1/jobs/$job/events"
try 200 GET '/api/v1/jobs/{id}/image' "/api/v1/jobs/$job/image"
png_magic body
try 200 GET '/api/v1/jobs/{id}/images/{index}' "/api/v1/jobs/$job/images/0"
try 404 GET '/api/v1/jobs/{id}/preview' "/api/v1/jobs/$job/preview"
asked+="GET /api/v1/events"$'\n'
curl -sN --max-time 1 "$base/api/v1/events?session=s" >body
has body '^event: hello'
has body "\"jobs\": \[\"$job\"\]"
has body '^event: done'
same 201 POST /api/v1/uploads -F "file=@$src/docs/gallery/apple.png"
try 200 GET '/api/v1/uploads/{id}' "/api/v1/uploads/$upload"
try 200 GET '/api/v1/uploads/{id}/file' "/api/v1/uploads/$upload/file"
cmp -s body "$src/docs/gallery/apple.png" || fail "the upload came back changed"
same 200 POST /api/v1/preprocess "${j[@]}" -d "{\"kind\": \"canny\", \"image\": \"upload:$upload\"}"
png_magic body
same 200 POST /api/v1/recipe -F "image=@$src/docs/gallery/apple.png"
want 200 .request.seed 42
same 200 POST /api/v1/loras/check "${j[@]}" -d '{"name": "sepia"}'
want 200 .matched 42
same 200 POST /api/v1/tokens "${j[@]}" -d '{"prompt": "a red apple"}'
want 200 .limit 512
same 200 GET /api/v1/models
want 200 '[.models[] | select(.default)] | length' 1
want 200 '.models | map(select(.name == "turbo"))[0] | .present == false and (.fetch == "zis fetch turbo")'
want 200 '.preprocessors | map(.name) | contains(["canny", "depth", "pose", "none"])'
same 200 GET /api/v1/defaults
want 200 '.fields | map(.name) | contains(["prompt", "steps", "seed"])'
want 200 '.tabs | keys | join(",")' control,generate,upscale
same 200 GET /api/v1/status
want 200 '.device' cpu
same 200 GET /api/v1/session
want 200 '.required' false
same 200 POST /api/v1/session "${j[@]}" -d '{}'
same 204 DELETE /api/v1/session
same 200 POST /v1/images/generations "${j[@]}" -d '{"prompt": "x", "size": "32x32", "steps": 1}'
want 200 '.data[0].b64_json | length > 100'
same 200 POST /v1/images/edits -F prompt=x -F steps=1 -F size=32x32 -F "image=@$src/docs/gallery/apple.png"
same 200 GET /v1/models
want 200 '.data[0].id' nano-turbo
try 200 GET '/v1/models/{id}' /v1/models/nano-base
same 200 POST /sdapi/v1/txt2img "${j[@]}" -d '{"prompt": "x", "width": 32, "height": 32, "steps": 1}'
want 200 '.info | fromjson | .all_seeds | length' 1
same 200 POST /sdapi/v1/img2img "${j[@]}" -d "{\"prompt\": \"x\", \"steps\": 1, \"width\": 32, \"height\": 32, \"init_images\": [\"$picture\"]}"
same 200 POST /sdapi/v1/png-info "${j[@]}" -d "{\"image\": \"$picture\"}"
want 200 '.info | contains("Seed: 42")'
same 200 GET /sdapi/v1/progress
want 200 '.progress' 0
same 200 POST /sdapi/v1/interrupt "${j[@]}" -d '{}'
same 200 POST /sdapi/v1/skip "${j[@]}" -d '{}'
same 200 GET /sdapi/v1/options
want 200 .sd_model_checkpoint nano-turbo
same 200 POST /sdapi/v1/options "${j[@]}" -d '{"sd_model_checkpoint": "nano-turbo"}'
for list in sd-models samplers schedulers loras upscalers; do
    same 200 GET "/sdapi/v1/$list"
    want 200 'length > 0'
done
same 200 POST /sdapi/v1/extra-single-image "${j[@]}" -d "{\"image\": \"$picture\", \"upscaling_resize\": 2}"
same 200 GET /health
want 200 .ok
same 200 GET /metrics
has body '^zis_jobs_total{state="done"} [1-9]'
same 200 GET /openapi.json
try 200 DELETE '/api/v1/jobs/{id}' "/api/v1/jobs/$job"
try 204 DELETE '/api/v1/uploads/{id}' "/api/v1/uploads/$upload"

printf '%s' "$asked" | sort -u >tried
diff described tried >difference || fail "routes that are described and not tried (<), or tried and not described (>): $(cat difference)"

# Each answer above has a status that is described, with words and, where it is an error, its shape.
jq -r '.paths | to_entries[] | .key as $p | .value | to_entries[] | "\(.key | ascii_upcase) \($p) \(.value.responses | keys | join(" "))"' openapi.json >statuses
printf '%s' "$answered" | while read -r s m p; do
    grep -F "$m $p " statuses | grep -qw -- "$s" || echo "$m $p: $s"
done >unsaid
[ -s unsaid ] && fail "statuses that are not described: $(cat unsaid)"
jq -e '[.paths[][].responses | to_entries[] | .value.description | length > 10] | all' openapi.json >/dev/null || fail "a response has no words"
jq -e '[.paths | to_entries[] | (.key | startswith("/sdapi/")) as $a | .value[].responses | to_entries[] | select(.key >= "400") |
    .value.content["application/json"].schema["$ref"] | endswith(if $a then "/A1111Error" else "/Error" end)] | all' openapi.json >/dev/null ||
    fail "an error has the shape of another dialect"
for path in generations edits; do
    jq -e --arg p "/v1/images/$path" '.paths[$p].post.responses["200"].content | has("application/json") and has("text/event-stream")' openapi.json >/dev/null ||
        fail "/v1/images/$path: its stream is not described"
done
jq -r '.components.schemas.JobRequest.properties[].description // empty' openapi.json | grep -E -- '--[a-z]|standard input' && fail "help of the command line in the description"

# Every reference of the description leads somewhere.
jq -r '[.. | .["$ref"]? | select(. != null)] | unique[] | sub("#/components/schemas/"; "")' openapi.json |
    while read -r schema; do
        jq -e --arg s "$schema" '.components.schemas[$s]' openapi.json >/dev/null || echo "$schema"
    done >dangling
[ -s dangling ] && fail "schemas that are not there: $(cat dangling)"
# The fields of a job are those of the table that the server gives out, and it takes each default.
ask GET /api/v1/defaults
jq -r '.fields[].name' body | while read -r field; do
    jq -e --arg f "$field" '.components.schemas.JobRequest.properties[$f]' openapi.json >/dev/null || echo "$field"
done >missing
[ -s missing ] && fail "fields that are not described: $(cat missing)"
whole=$(jq -c "{$tiny} + (.fields | map(select(.default != null and .default != \"\" and (.name | IN(\"preprocess\", \"steps\", \"task\") | not)) | {(.name): .default}) | add)" body)
post /api/v1/jobs "$whole"
want 202

# What is not there, and what is not taken.
ask GET /api/v1/nothing
refused 404 not_found /api/v1/nothing
ask GET /../etc/passwd --path-as-is
refused 404 not_found
ask PUT /api/v1/jobs
refused 405 method_not_allowed
has head '^Allow: POST, GET'
ask HEAD /health -I
want 200
ask GET /
if [ -f "$src/web/index.html" ]; then
    want 200
    has head "Content-Security-Policy: default-src 'none'; script-src 'self';"
    tag=$(sed -n 's/^ETag: \(.*\)\r$/\1/p' head)
    ask GET / -H "If-None-Match: $tag"
    want 304
    ask GET / --compressed
    has head '^Content-Encoding: gzip'
    # web/index.html, but that all its stylesheets are one
    sed '/rel="stylesheet"/{0,/rel="stylesheet"/!d; s/href="[^"]*"/href="css\/page.css"/}' "$src/web/index.html" >page
    cmp -s body page || fail "the page is not web/index.html: $(diff body page)"
    grep -oE '(src|href)="[^"#:]+"' body | sed 's/.*"\(.*\)"/\1/' | while read -r f; do
        code=$(curl -s -o /dev/null -w '%{http_code}' "$base/${f#/}")
        [ "$code" = 200 ] || echo "$f $code"
    done >broken
    [ -s broken ] && fail "files of the page that do not come: $(cat broken)"
    ask GET /css/page.css
    cat $(sed -nE 's/.*rel="stylesheet" href="([^"]+)".*/\1/p' "$src/web/index.html" | sed "s|^|$src/web/|") | cmp -s body - ||
        fail "/css/page.css is not the stylesheets of web/index.html in its order"
    ask GET /js/main.js
    want 200
    [ "$(grep -c '^const \$' body)" = "$(find "$src/web/js" -name '*.js' | wc -l)" ] || fail "/js/main.js is not all modules"
    grep -nE '^(import|export) ' body && fail "/js/main.js still imports"
    for f in /css/base.css /js/store.js; do
        ask GET "$f"
        want 404
    done
fi
stop
finish

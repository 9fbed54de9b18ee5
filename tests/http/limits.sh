#!/bin/bash
# What is too large, too slow, too many, or broken; and that nothing of it stays behind.
. "$(dirname "$0")/lib/http.bash" "$@"
start --queue 3 --connections 40 --patience 1

# ---- bodies ----
head -c 1100000 /dev/zero | tr '\0' ' ' >spaces
ask POST /api/v1/jobs -H "$json" --data-binary @spaces
refused 413 too_large 'larger than the 1 MB'
ask POST /api/v1/jobs -H "$json" -H 'Transfer-Encoding: chunked' --data-binary @spaces
refused 413 too_large
# one without a length is not read for ever
# received: bytes of bodies that the server has read
received() { curl -s "$base/metrics" | sed -n 's/^zis_http_received_bytes_total //p'; }
before=$(received)
head -c 150000000 /dev/zero | curl -s -o body --max-time 60 -H "$json" -H 'Transfer-Encoding: chunked' -X POST -T - "$base/api/v1/jobs" &&
    fail "a body of 150 MB without a length was read to its end"
awk -v a="$before" -v b="$(received)" 'BEGIN { exit !(b - a > 1e6 && b - a < 2e7) }' ||
    fail "of a body that is too large $before to $(received) bytes were read"
# where the length is said, the reason is heard, even late
head -c 90000000 /dev/zero >zeros
ask POST /api/v1/uploads -F 'file=@zeros'
refused 413 too_large 'a file is larger than the 64 MB'
rm zeros
ask POST /api/v1/uploads -H 'content-type: image/png' -H 'Content-Length: 99999999999' --data-binary x --max-time 5
refused 413 too_large
post /api/v1/jobs "{$(printf '"a%d": 1, ' $(seq 5000))\"b\": 1}"
refused 400 bad_argument
post /api/v1/jobs "$(printf '[%.0s' $(seq 40))"
refused 400 bad_format 'nested more than 32 deep'
for text in '' '{' '[]' '{"a": 1, "a": 2}' '{"prompt": "\u0000"}' '{"seed": 1e999}' 'null' '{"prompt": NaN}'; do
    post /api/v1/jobs "$text"
    case $status in 400 | 415) ;; *) fail "'$text' gives $status" ;; esac
done
printf '{"prompt": "\xff\xfe"}' >latin
ask POST /api/v1/jobs -H "$json" --data-binary @latin
refused 400 bad_format
# plain words for what is no JSON
# says JSON WORDS
says() {
    post /api/v1/jobs "$1"
    refused 400 bad_format "$2"
    jq -e '.error.message | test("JSON_|expected|token|escape") | not' body >/dev/null || fail "jargon: $(cat body)"
}
says '' 'the body is empty'
says '{' 'the body is not JSON: line 1'
says '{"a" 1}' "near '1': a value, a name, a comma or a bracket is missing or wrong"
says 'x' 'a bracket is missing or wrong'
says '{"a": 1, "a": 2}' 'a name stands twice in one object'
says '{"prompt": "\u0000"}' 'a text holds the character \u0000'
says '{"\u0000": 1}' 'a name holds the character \u0000'
says '{"seed": 1e999}' 'a number is too large'
says '{} {}' 'something follows its end'
ask POST /sdapi/v1/txt2img -H "$json" -d ''
want 400 '.detail | startswith("the body is empty")'
ask POST /api/v1/jobs -F prompt=x -F 'loras=[{]'
refused 400 bad_format 'loras is not JSON: line 1'
# a field of a form comes once, as in JSON
ask POST /api/v1/jobs -F steps=1 -F prompt=x -F steps=2
refused 400 bad_argument "the form has the part 'steps' twice"
want 400 .error.param steps
ask POST /api/v1/jobs -F prompt=x -F "image=@$src/docs/gallery/apple.png" -F "image=@$src/docs/gallery/apple.png"
refused 400 bad_argument "the form has the part 'image' twice"
ask POST /v1/images/edits -F prompt=x -F steps=1 -F size=32x32 -F "image[]=@$src/docs/gallery/apple.png" -F "image[]=@$src/docs/gallery/apple.png"
want 200
many=()
for i in $(seq 50); do many+=(-F "p$i=1"); done
ask POST /api/v1/jobs "${many[@]}"
refused 400 bad_argument 'too many parts'
ask POST /api/v1/jobs -H 'content-type: multipart/form-data' -d 'x'
refused 400 bad_format
ask POST /api/v1/jobs -H 'content-type: multipart/form-data; boundary=x' -d 'no form'
case $status in 400 | 415) ;; *) fail "a broken form gives $status" ;; esac
ask GET /health -H "X-Long: $(head -c 60000 /dev/zero | tr '\0' x)"
[ "$status" = 431 ] || [ "$status" = 413 ] || fail "a header of 60 KB gives $status"

# ---- pictures ----
# 30000 x 30000 in a header, a cut file, a file of another kind, an empty one.
printf '\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x75\x30\0\0\x75\x30\x08\x02\0\0\0\xfb\x4c\x47\x37' >bomb.png
ask POST /api/v1/uploads -F file=@bomb.png
case $status in 400) ;; *) fail "900 megapixels give $status: $(head -c 300 body)" ;; esac
head -c 20000 "$src/docs/gallery/apple.png" >cut.png
ask POST /api/v1/uploads -F file=@cut.png
refused 400 bad_format 'cut.png'
printf 'GIF89a' >x.gif
ask POST /api/v1/uploads -F file=@x.gif
refused 400 unsupported 'x.gif is a GIF'
: >empty.png
ask POST /api/v1/uploads -F file=@empty.png
[ "$status" = 400 ] || fail "an empty file gives $status"
for f in "$src"/tests/fuzz/corpus/formats_picture/*; do
    ask POST /api/v1/uploads -H 'content-type: image/png' --data-binary "@$f"
    case $status in 201 | 400) ;; *) fail "$f gives $status: $(head -c 300 body)" ;; esac
done
[ "$(ps -o stat= --ppid "$server_pid" | grep -c Z)" = 0 ] || fail "dead children are left"

# ---- the queue ----
submit "$long"
running=$id
until_state "$running" running
for _ in 1 2 3; do submit "$tiny"; done
want 202 .position 2
post /api/v1/jobs "{$tiny}"
refused 429 queue_full '3 jobs wait already'
has head '^Retry-After: '
ask DELETE "/api/v1/jobs/$running"
until_state "$id" done

# ---- slow and broken clients ----
"$client" slow "$port" || fail "slow clients"
"$client" broken "$port" || fail "broken clients"
sleep 1.5
ask GET /metrics
conns=$(sed -n 's/^zis_http_connections //p' body)
[ "$conns" -le 3 ] || fail "$conns connections are left"
ask GET /health
want 200 .ok

# ---- connections ----
"$client" crowd "$port" 60 40 || fail "a crowd of connections"
ask GET /health
want 200 .ok
[ "$(ls data/uploads | wc -l)" -le 90 ] || fail "uploads pile up: $(ls data/uploads | wc -l)"
stop
finish

#!/bin/bash
# Who may ask: Host, Origin, the key, the cookie; what a server on an open address wants.
. "$(dirname "$0")/lib/http.bash" "$@"
start --allow-host studio.example --allow-origin https://friend.example

for host in localhost "localhost:$port" 127.0.0.1 "[::1]:$port" studio.example STUDIO.example:99; do
    ask GET /health -H "Host: $host"
    want 200 .ok
done
for host in evil.example "evil.example:$port" 127.0.0.1.evil.example '' '[::1' 'localhost:1@evil.example' 192.168.1.1; do
    ask GET /health -H "Host: $host"
    case $host in
    '') [ "$status" = 400 ] || [ "$status" = 403 ] || fail "no host: $status" ;;
    *) refused 403 forbidden 'the host' ;;
    esac
done
ask GET /health -H "Origin: http://127.0.0.1:$port"
want 200
for origin in http://evil.example null https://friend.example.evil "http://127.0.0.1:1" file://; do
    post /api/v1/jobs "{$tiny}" -H "Origin: $origin"
    refused 403 forbidden 'may not use this server'
done
ask GET /health -H 'Origin: https://friend.example'
want 200
has head '^Access-Control-Allow-Origin: https://friend.example'
ask OPTIONS /api/v1/jobs -H 'Origin: https://friend.example' -H 'Access-Control-Request-Method: POST'
want 204
has head '^Access-Control-Allow-Methods: GET, POST, DELETE'
ask OPTIONS /api/v1/jobs -H 'Origin: https://evil.example'
refused 403 forbidden
# What a page of a stranger can send without asking is not taken.
ask POST /api/v1/jobs -H 'content-type: text/plain' -d "{$tiny}"
refused 415 unsupported_media_type
ask POST /api/v1/jobs -d "{$tiny}"
refused 415 unsupported_media_type
ask GET /health
has head "^X-Content-Type-Options: nosniff"
has head "^Cross-Origin-Resource-Policy: same-origin"
# of two names or pages none counts
printf 'GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n' >two
printf 'GET /health HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nOrigin: http://localhost\r\n\r\n' >twice
for f in two twice; do
    exec 3<>"/dev/tcp/127.0.0.1/$port"
    cat "$f" >&3
    IFS= read -r -t 10 line <&3
    exec 3>&-
    case $line in 'HTTP/1.1 400 '*) ;; *) fail "$f headers give: $line" ;; esac
done
# what stands behind a NUL in a path is part of it
for path in /js/main.js%00.png /health%00 /api/v1/status%00/x /%00; do
    ask GET "$path"
    refused 404 not_found
done
ask GET '/health?x=%00'
want 200

stop

# ---- the key ----
key=0123456789abcdef0123456789abcdef
printf '%s\n' "$key" >key
start --api-key-file key
ask GET /health
want 200
ask GET /api/v1/status
refused 401 unauthorized 'API key'
has head '^WWW-Authenticate: Bearer'
for wrong in "Bearer " "Bearer ${key}0" "Bearer ${key%?}" "Bearer ${key%?}0" "Basic $key" "$key"; do
    ask GET /api/v1/status -H "Authorization: $wrong"
    refused 401 unauthorized
done
ask GET "/api/v1/status?api_key=$key&key=$key"
refused 401 unauthorized
ask GET /api/v1/status -H "Authorization: Bearer $key"
want 200
ask GET /api/v1/session
want 200 '.required and (.open | not)'
post /api/v1/session '{"key": "wrong"}'
refused 401 unauthorized
post /api/v1/session "{\"key\": \"$key\"}" -c jar
want 200
has head '^Set-Cookie: zis_session=[0-9a-f]*; Path=/; HttpOnly; SameSite=Strict'
ask GET /api/v1/session -b jar
want 200 '.open'
ask GET /api/v1/models -b jar
want 200
ask GET /api/v1/models -b 'zis_session=0'
refused 401 unauthorized
ask POST /sdapi/v1/txt2img -H "$json" -d '{}'
want 401 '.detail | contains("API key")'
grep -rq "$key" server.err && fail "the key is in the log"
stop

bad 2 'lets other machines in' "$zis" serve --host 0.0.0.0 --port 0 --data "$dir/other"
printf 'short\n' >key
bad 2 'at least 16' "$zis" serve --api-key-file key --port 0 --data "$dir/other"
bad 1 'cannot open' "$zis" serve --api-key-file nokey --port 0 --data "$dir/other"
bad 2 'PORT must be' env PORT=http "$zis" serve --data "$dir/other"
export ZIS_API_KEY=$key
start --host 0.0.0.0
base=http://127.0.0.1:$port
ask GET /api/v1/status
refused 401 unauthorized
ask GET /api/v1/status -H "Authorization: Bearer $key" -H "Host: 192.168.7.9:$port"
want 200
ask GET /health -H "Host: evil.example"
refused 403 forbidden
bad 1 'Address already in use; --port' "$zis" serve --port "$port" --host 0.0.0.0 --data "$dir/other"
stop
finish

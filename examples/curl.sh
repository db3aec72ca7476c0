#!/usr/bin/env bash
# One picture in, edits of it out, with curl. TAILOR_API_KEY is needed where the server wants one.
set -euo pipefail
server=${TAILOR_URL:-http://localhost:8000}/v1
picture=${1:-samples/dog.png}
auth=(${TAILOR_API_KEY:+-H "Authorization: Bearer $TAILOR_API_KEY"})
tailor() { curl --fail-with-body -sS "${auth[@]}" "$@"; }

# Learn the subject; the answer waits up to a minute for it. The key makes a repetition harmless.
tailor "$server/personalize" -H "Prefer: wait=60" -H "Idempotency-Key: $(date +%s%N)" \
  -F picture=@"$picture" -F prompt="a standing dog on the grass" -o job.json
tail=$(grep -o 'tail_[0-9a-f]\{24\}' job.json | head -n 1)

# Two pictures of it, sent as JSON. An edit that comes before its tail is ready waits for it.
tailor "$server/edit" -H "Content-Type: application/json" -o edit.json \
  -d '{"tail_id": "'"$tail"'", "prompt": "a sitting dog", "num_images": 2}'
edit=$(grep -o 'job_[0-9a-f]\{24\}' edit.json | head -n 1)

# Each request answers when the status changes, at the latest after 30 seconds.
while tailor -H "Prefer: wait=30" "$server/jobs/$edit" -o edit.json &&
  grep -qE '"status":"(waiting|queued|running)"' edit.json; do :; done
grep -q '"status":"succeeded"' edit.json

# The links are signed: they need no key, and must not get it.
n=0
grep -o '"url":"[^"]*"' edit.json | cut -d '"' -f 4 | while read -r url; do
  curl -sS "$url" -o "sitting-$n.png"
  echo "sitting-$n.png"
  n=$((n + 1))
done

"""One picture in, edits of it out, with nothing but httpx. TAILOR_API_KEY is needed where the server wants one."""

import os
import sys
import uuid
from pathlib import Path

import httpx

picture = Path(sys.argv[1] if len(sys.argv) > 1 else "samples/dog.png")
key = os.environ.get("TAILOR_API_KEY")


def checked(answer: httpx.Response) -> dict:
    """Return what an answer holds; a problem document says what is wrong, and in which field."""
    said = answer.json()
    if answer.is_error:
        sys.exit(f"{said['title']}: {said['detail']}")
    return said


with httpx.Client(
    base_url=os.environ.get("TAILOR_URL", "http://localhost:8000") + "/v1",
    headers={"Authorization": f"Bearer {key}"} if key else {},
    timeout=90,
) as tailor:

    def ended(job: dict) -> dict:
        """Return a job once it has ended: each request answers when its status changes, after 30 seconds at most."""
        while job["status"] in ("waiting", "queued", "running"):
            job = checked(tailor.get(f"/jobs/{job['id']}", headers={"Prefer": "wait=30"}))
        if job["status"] != "succeeded":
            sys.exit(f"{job['id']} {job['status']}: {(job['error'] or {}).get('detail')}")
        return job

    dog = checked(
        tailor.post(
            "/personalize",
            files={"picture": picture.read_bytes()},
            data={"prompt": "a standing dog on the grass"},
            headers={"Idempotency-Key": uuid.uuid4().hex},  # sent again after a lost answer, it makes no second job
        )
    )
    # It need not be ready: an edit waits for its tail.
    edit = {"tail_id": dog["tail_id"], "prompt": "a sitting dog", "num_images": 2}
    sitting = ended(checked(tailor.post("/edit", json=edit, headers={"Idempotency-Key": uuid.uuid4().hex})))

for result in sitting["results"]:
    file = Path(f"sitting-{result['index']}.png")
    file.write_bytes(httpx.get(result["url"]).content)  # signed: it needs no key, and must not get it
    print(file)

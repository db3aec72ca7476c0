// One picture in, edits of it out, with fetch: Node 18 or newer. TAILOR_API_KEY is needed where the server wants one.
// In a browser it is the same but for the files, with crypto.randomUUID(); TAILOR_CORS_ORIGINS names the page's origin.
import { randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";

const server = `${process.env.TAILOR_URL ?? "http://localhost:8000"}/v1`;
const key = process.env.TAILOR_API_KEY;
const picture = new Blob([await readFile(process.argv[2] ?? "samples/dog.png")], { type: "image/png" });

async function tailor(path, { headers, ...request } = {}) {
  const auth = key ? { Authorization: `Bearer ${key}` } : {};
  const answer = await fetch(server + path, { ...request, headers: { ...auth, ...headers } });
  const said = await answer.json();
  if (!answer.ok) throw new Error(`${said.title}: ${said.detail}`); // a problem document
  return said;
}

// Each request answers when the job's status changes, at the latest after 30 seconds.
async function ended(job) {
  while (["waiting", "queued", "running"].includes(job.status)) {
    job = await tailor(`/jobs/${job.id}`, { headers: { Prefer: "wait=30" } });
  }
  if (job.status !== "succeeded") throw new Error(`${job.id} ${job.status}: ${job.error?.detail}`);
  return job;
}

const form = new FormData();
form.append("picture", picture, "dog.png");
form.append("prompt", "a standing dog on the grass");
// Sent again with the same key after a lost answer, it makes no second job.
const dog = await tailor("/personalize", {
  method: "POST",
  headers: { "Idempotency-Key": randomUUID() },
  body: form,
});

// It need not be ready: an edit waits for its tail.
const edit = await tailor("/edit", {
  method: "POST",
  headers: { "Content-Type": "application/json", "Idempotency-Key": randomUUID() },
  body: JSON.stringify({ tail_id: dog.tail_id, prompt: "a sitting dog", num_images: 2 }),
});

for (const result of (await ended(edit)).results) {
  const file = `sitting-${result.index}.png`;
  const answer = await fetch(result.url); // signed: it needs no key, and must not get it
  await writeFile(file, Buffer.from(await answer.arrayBuffer()));
  console.log(file);
}

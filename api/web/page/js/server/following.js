// One job to its end: its events from a signed URL, and what they do not tell by asking.
import { api, askPatiently, pause } from "./client.js";

export const hasEnded = (job) => ["succeeded", "failed", "canceled"].includes(job.status);
const ASK_MS = 2000; // a place in the line changes without an event

// `told` hears the job whenever it has changed, with `losses` and the newest `preview` so far. Ends with the job.
export async function follow(jobId, told, signal) {
  let job = null;
  const seen = { losses: [], preview: null };
  const tell = (changes) => {
    job = { ...job, ...changes };
    if (changes.preview) seen.preview = changes.preview;
    if (changes.loss != null && changes.step) seen.losses[changes.step] = changes.loss;
    told({ ...job, preview: seen.preview, losses: seen.losses.filter((loss) => loss != null) });
  };
  const read = async () => tell(await askPatiently(`jobs/${jobId}`, { signal }));
  await read();
  while (!hasEnded(job) && !signal.aborted) {
    await listen(job, tell, read, signal);
    await read(); // results and receipt come with the job alone
    if (!hasEnded(job)) await pause(1000, signal);
  }
  return job;
}

// Resolves when the stream is over, for whatever reason; the browser itself comes back to a server that was away.
function listen(job, tell, read, signal) {
  return new Promise((resolve) => {
    const source = new EventSource(ownAddress(job.events_url));
    let status = job.status;
    const asking = setInterval(() => status !== "running" && read().catch(() => {}), ASK_MS);
    const end = () => (clearInterval(asking), source.close(), resolve());
    const hear = (changes) => {
      status = changes.status || status;
      if (hasEnded({ status })) return end(); // it is told with its results, at once
      return tell(changes);
    };
    for (const type of ["status", "progress", "snapshot"]) source.addEventListener(type, (event) => hear(JSON.parse(event.data)));
    source.addEventListener("preview", (event) => tell({ preview: JSON.parse(event.data) }));
    source.onerror = () => source.readyState === EventSource.CLOSED && end();
    signal.addEventListener("abort", end, { once: true });
  });
}

// The page asks the server at the address at which it was loaded, whatever the server calls itself.
function ownAddress(url) {
  const { pathname, search } = new URL(url);
  return new URL(pathname.slice(pathname.lastIndexOf("/jobs/") + 1) + search, api);
}

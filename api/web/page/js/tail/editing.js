// The edits with a tail: those that the server has, those on their way there, and what becomes of them.
import { useEffect, useRef, useState } from "../html.js";
import { access, ask, askPatiently, pause } from "../server/client.js";
import { hasEnded } from "../server/following.js";
import { send } from "../server/sending.js";
import { useStore } from "../store.js";

const PAGE = 20;
const ASK_MS = 800; // no stream for each edit: browsers open six connections to a server
const AT_ONCE = 8;

// How many pictures a request makes: their places are kept from the beginning.
export const sizeOf = (body) =>
  body.sweep ? Object.values(body.sweep).reduce((size, values) => size * (values ? values.length : 1), 1) : body.num_images || 1;

let count = 0;

export function useEditing(tailId, onReady) {
  const [entries, setEntries] = useState([]); // {key, body, job, waits, problem, stop}, the newest first
  const [cursor, setCursor] = useState(null);
  const [loaded, setLoaded] = useState(false);
  const { taken } = useStore(access);
  const now = useRef(entries);
  now.current = entries;
  const change = (key, changes) => setEntries((before) => before.map((entry) => (entry.key === key ? { ...entry, ...changes } : entry)));

  const load = async (from, signal) => {
    const page = await askPatiently(`jobs?kind=edit&tail_id=${tailId}&limit=${PAGE}${from ? `&cursor=${encodeURIComponent(from)}` : ""}`, { signal });
    setEntries((before) => {
      const known = new Set(before.map((entry) => entry.job?.id));
      return [...before, ...page.items.filter((job) => !known.has(job.id)).map((job) => ({ key: job.id, job }))];
    });
    setCursor(page.next_cursor);
    setLoaded(true);
  };
  useEffect(() => {
    const stop = new AbortController();
    setEntries((before) => before.filter((entry) => !entry.job)); // another key may see others
    load(null, stop.signal).catch(() => stop.signal.aborted || setLoaded(true));
    return () => stop.abort();
  }, [tailId, taken]);

  useEffect(() => {
    const stop = new AbortController();
    watch(now, change, onReady, stop.signal).catch(() => {});
    return () => stop.abort();
  }, [tailId]);

  const make = async (body) => {
    const key = `new-${++count}`;
    const stop = new AbortController();
    setEntries((before) => [{ key, body, stop }, ...before]);
    try {
      const job = await send("edit", { tail_id: tailId, ...body }, { signal: stop.signal, told: (waits) => change(key, { waits }) });
      change(key, { job, waits: null });
    } catch (problem) {
      if (stop.signal.aborted) setEntries((before) => before.filter((entry) => entry.key !== key));
      else change(key, { problem, waits: null });
      return stop.signal.aborted ? null : problem;
    }
    return null;
  };
  const forget = (key) => setEntries((before) => before.filter((entry) => entry.key !== key));
  const cancel = async (entry) => {
    if (!entry.job) return entry.stop.abort();
    return change(entry.key, { job: await askPatiently(`jobs/${entry.job.id}`, { method: "DELETE" }) });
  };
  const refresh = async (entry) => change(entry.key, { job: await askPatiently(`jobs/${entry.job.id}`) });
  return { entries, loaded, hasMore: Boolean(cursor), more: () => load(cursor), make, forget, cancel, refresh };
}

// Asks for what has not ended, again and again.
async function watch(now, change, onReady, signal) {
  for (;;) {
    await pause(ASK_MS, signal);
    const open = now.current.filter((entry) => entry.job && !hasEnded(entry.job)).slice(-AT_ONCE);
    await Promise.all(open.map(async (entry) => {
      try {
        const job = await ask(`jobs/${entry.job.id}`, { signal });
        change(entry.key, { job });
        if (job.status === "succeeded") onReady(job);
      } catch (error) {
        if (error.status === 404 || error.status === 410) change(entry.key, { job: { ...entry.job, status: "canceled" } });
        // Else the server is away, or wants a key: the banner says so, and one asks again.
      }
    }));
  }
}

// One request: its answer, a Problem as the server tells it, or Away.
import { keptKey } from "../memory.js";
import { store, until } from "../store.js";

const root = new URL("../../../", import.meta.url);
export const api = root.pathname.endsWith("/v1/") ? root : new URL("v1/", root);
export const docs = new URL("docs", root).href;

export class Problem extends Error {
  constructor(status, document, retryAfter) {
    super(document.detail || document.title || String(status));
    Object.assign(this, { status, document, retryAfter });
    this.type = String(document.type || "").replace("urn:tailor:problem:", "");
  }
}
export class Away extends Error {}

// Whether the server answers; whether a key is wanted ("needed", "wrong"), and how often one was taken.
export const connection = store({ away: false });
export const access = store({ wanted: null, taken: 0, key: keptKey.read() });

export async function ask(path, { method = "GET", body, headers = {}, signal } = {}) {
  const key = access.get().key;
  const sent = { ...headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  const plain = body && !(body instanceof FormData);
  if (plain) sent["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(new URL(path, api), { method, headers: sent, body: plain ? JSON.stringify(body) : body, signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    connection.set({ away: true });
    throw new Away();
  }
  const isProblem = (answer.headers.get("Content-Type") || "").includes("problem+json");
  if ([502, 503, 504].includes(answer.status) && !isProblem) {
    connection.set({ away: true }); // a proxy speaks for a server that is not there
    throw new Away();
  }
  if (connection.get().away) connection.set({ away: false });
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const problem = new Problem(answer.status, isProblem ? await answer.json() : {}, Number(answer.headers.get("Retry-After")) || null);
  if (answer.status === 401) access.set((now) => ({ ...now, wanted: key ? "wrong" : "needed" }));
  throw problem;
}

// Asks until there is an answer: over the server's absence, and over a key that is wanted first.
export async function askPatiently(path, options = {}) {
  for (;;) {
    try {
      return await ask(path, options);
    } catch (error) {
      if (error instanceof Away) await until(connection, (now) => !now.away, options.signal);
      else if (error.status === 401) await until(access, (now) => !now.wanted, options.signal);
      else if (error.status === 503 || error.status === 429) await pause((error.retryAfter || 5) * 1000, options.signal);
      else throw error;
    }
  }
}

export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}

// Takes a key if it opens something; throws the Problem otherwise.
export async function tryKey(key) {
  const before = access.get().key;
  access.set((now) => ({ ...now, key }));
  try {
    await ask("models");
  } catch (error) {
    access.set((now) => ({ ...now, key: before }));
    throw error;
  }
  keptKey.write(key);
  access.set((now) => ({ wanted: null, taken: now.taken + 1, key }));
}

export function forgetKey() {
  keptKey.write(null);
  access.set((now) => ({ ...now, key: null, taken: now.taken + 1 }));
}

// A request that makes a job: sent again, with the same Idempotency-Key, until the server has taken or refused it.
import { access, ask, Away, connection, pause, Problem } from "./client.js";
import { until } from "../store.js";

const LATER = new Set([429, 503]); // the server says when to come again

// `told` hears {reason, until} while it waits; `signal` gives up. Throws the Problem of a refusal.
export async function send(path, body, { told = () => {}, signal } = {}) {
  const headers = { "Idempotency-Key": crypto.randomUUID?.() ?? unique() };
  for (;;) {
    try {
      const job = await ask(path, { method: "POST", body, headers, signal });
      told(null);
      return job;
    } catch (error) {
      if (error instanceof Away) {
        told({ reason: "away", until: null });
        await until(connection, (now) => !now.away, signal);
      } else if (error.status === 401) {
        told({ reason: "key", until: null });
        await until(access, (now) => !now.wanted, signal);
      } else if (error instanceof Problem && LATER.has(error.status)) {
        const seconds = error.retryAfter || 5;
        told({ reason: error.type, until: Date.now() + seconds * 1000, problem: error });
        await pause(seconds * 1000, signal);
      } else throw error;
    }
  }
}

// Pages over plain http have no randomUUID.
function unique() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

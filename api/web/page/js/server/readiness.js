// Who is there: asked every few seconds, and oftener while somebody is missing.
import { ask, Away, connection, pause } from "./client.js";
import { store } from "../store.js";

export const readiness = store(null);
const CALM_MS = 8000;
const ANXIOUS_MS = 1500;

export async function watchReadiness() {
  for (;;) {
    try {
      readiness.set(await ask("readyz"));
    } catch (error) {
      if (!(error instanceof Away)) readiness.set({ ...error.document, storage: false });
    }
    const now = readiness.get();
    const calm = !connection.get().away && now?.storage && now.workers > 0 && now.models?.length;
    await pause(calm ? CALM_MS : ANXIOUS_MS);
    while (document.hidden) await new Promise((seen) => document.addEventListener("visibilitychange", seen, { once: true }));
  }
}

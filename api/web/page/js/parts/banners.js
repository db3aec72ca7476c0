// Who is missing: the server, its storage, a worker, Redis.
import { html } from "../html.js";
import { connection } from "../server/client.js";
import { readiness } from "../server/readiness.js";
import { useStore } from "../store.js";
import { useWords } from "../words/words.js";
import { Icon } from "./icons.js";

function missing({ away }, ready) {
  if (away) return "away";
  if (!ready) return null;
  if (!ready.storage) return "storage";
  if (!ready.redis) return "redis";
  if (!ready.workers) return "workers";
  return ready.models.length ? null : "loading";
}

export function Banners() {
  const w = useWords();
  const name = missing(useStore(connection), useStore(readiness));
  return html`
    <div class="banners" role="status" aria-live="polite">
      ${name && html`
        <div class="notice warn fade" data-state=${name}>
          <${Icon} name=${name === "away" ? "cloud" : name === "workers" || name === "loading" ? "clock" : "warn"} />
          <div><strong>${w.banner[name]}</strong><span>${w.banner[`${name}Text`]}</span></div>
        </div>`}
    </div>`;
}

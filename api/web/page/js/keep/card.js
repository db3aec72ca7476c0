// A tail in the gallery: what it was learned from, its name, and its latest edits.
import { html, useEffect, useState } from "../html.js";
import { Icon } from "../parts/icons.js";
import { addressOf } from "../route.js";
import { askPatiently } from "../server/client.js";
import { date, useWords } from "../words/words.js";
import { Deletion } from "./deletion.js";

const SHOWN = 3;

function useLatest(tailId) {
  const [pictures, setPictures] = useState([]);
  useEffect(() => {
    const stop = new AbortController();
    askPatiently(`jobs?kind=edit&tail_id=${tailId}&status=succeeded&limit=${SHOWN}`, { signal: stop.signal })
      .then((page) => setPictures(page.items.flatMap((job) => job.results.slice(0, 1).map((result) => result.url))))
      .catch(() => {});
    return () => stop.abort();
  }, [tailId]);
  return pictures;
}

export function Card({ tail, onDeleted }) {
  const w = useWords();
  const [asked, setAsked] = useState(false);
  const pictures = useLatest(tail.id);
  const state = { waiting: w.keep.queued, queued: w.keep.queued, running: w.keep.learning, failed: w.keep.failed, canceled: w.keep.canceled }[tail.status];
  const title = tail.labels.name || tail.prompt;
  return html`
    <article class="card tailcard">
      <a href=${addressOf(tail.id)} aria-label=${title}>
        <div class="views">
          ${tail.source_url ? html`<img class="main" src=${tail.source_url} alt="" width="160" height="160" loading="lazy" />` : html`<div class="blank main"></div>`}
          <div class="latest">${Array.from({ length: SHOWN }, (_, i) => (pictures[i] ? html`<img class="fade" src=${pictures[i]} alt="" width="50" height="50" loading="lazy" />` : html`<span></span>`))}</div>
        </div>
        <h3 lang=${tail.labels.name ? undefined : "en"}>${title}</h3>
      </a>
      <footer>
        <p class="small soft">${state ? html`<strong>${state}</strong>` : date(new Date(tail.created_at))}</p>
        <button type="button" class="button quiet icon" aria-label=${`${w.tail.delete}: ${title}`} title=${w.tail.delete} onClick=${() => setAsked(true)}><${Icon} name="trash" /></button>
      </footer>
      ${asked && html`<${Deletion} tail=${tail} onClose=${() => setAsked(false)} onDeleted=${() => (setAsked(false), onDeleted())} />`}
    </article>`;
}

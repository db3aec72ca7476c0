// All tails: the newest first, with their pictures and the latest edits.
import { html, useEffect, useState } from "../html.js";
import { access, askPatiently, pause } from "../server/client.js";
import { useStore } from "../store.js";
import { useWords } from "../words/words.js";
import { Card } from "./card.js";

const PAGE = 12;
const ASK_MS = 2500;
const isOpen = (tail) => ["waiting", "queued", "running"].includes(tail.status);

export function Gallery() {
  const w = useWords();
  const [tails, setTails] = useState(null);
  const [cursor, setCursor] = useState(null);
  const { taken } = useStore(access);

  useEffect(() => {
    const stop = new AbortController();
    keepUp(stop.signal, setTails, setCursor).catch(() => {});
    return () => stop.abort();
  }, [taken]);

  const more = async () => {
    const page = await askPatiently(`tails?limit=${PAGE}&cursor=${encodeURIComponent(cursor)}`);
    setTails((before) => [...before, ...page.items]);
    setCursor(page.next_cursor);
  };
  return html`
    <section class="section gallery" aria-label=${w.keep.title}>
      <header><h2>${w.keep.title}</h2></header>
      ${tails && !tails.length && html`<div class="empty"><p>${w.keep.none}</p></div>`}
      <ul class="tailcards">${tails?.map((tail) => html`<li key=${tail.id}><${Card} tail=${tail} onDeleted=${() => setTails((before) => before.filter((one) => one.id !== tail.id))} /></li>`)}</ul>
      ${cursor && html`<div class="row center"><button type="button" class="button" onClick=${more}>${w.keep.more}</button></div>`}
    </section>`;
}

// Reads the first page, and again what was open as long as something is.
async function keepUp(signal, setTails, setCursor) {
  const page = await askPatiently(`tails?limit=${PAGE}`, { signal });
  setTails(page.items);
  setCursor(page.next_cursor);
  let open = page.items.filter(isOpen);
  while (open.length) {
    await pause(ASK_MS, signal);
    const fresh = await Promise.all(open.map((tail) => askPatiently(`tails/${tail.id}`, { signal }).catch(() => ({ ...tail, status: "canceled" }))));
    setTails((before) => before.map((tail) => fresh.find((one) => one.id === tail.id) || tail));
    open = fresh.filter(isOpen);
  }
}

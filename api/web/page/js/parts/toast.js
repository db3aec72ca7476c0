// Short words about what has just happened; read aloud, too.
import { html } from "../html.js";
import { store, useStore } from "../store.js";

const SHOWN_MS = 4000;
const toasts = store([]);

export function toast(text) {
  const one = { text };
  toasts.set([one]); // the newest alone: nothing has to move for it
  setTimeout(() => toasts.set((all) => all.filter((other) => other !== one)), SHOWN_MS);
}

export const Toasts = () => html`
  <div class="toasts" role="status" aria-live="polite">
    ${useStore(toasts).map((one) => html`<div class="toast fade" key=${one.text}>${one.text}</div>`)}
  </div>`;

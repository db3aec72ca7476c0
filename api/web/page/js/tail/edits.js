// All edits of a tail, the newest first.
import { html } from "../html.js";
import { useWords } from "../words/words.js";
import { Edit } from "./edit.js";

export function Edits({ editing, ...rest }) {
  const w = useWords();
  const { entries, loaded, hasMore, more } = editing;
  if (!entries.length && !rest.canMake) return null;
  return html`
    <section class="section edits" aria-label=${w.edit.made}>
      <header><h2>${w.edit.made}</h2></header>
      ${loaded && !entries.length && html`<div class="empty"><p>${w.edit.none}</p></div>`}
      <ol class="stack">${entries.map((entry) => html`<li key=${entry.key}><${Edit} entry=${entry} editing=${editing} ...${rest} /></li>`)}</ol>
      ${hasMore && html`<div class="row center"><button type="button" class="button" onClick=${more}>${w.edit.more}</button></div>`}
    </section>`;
}

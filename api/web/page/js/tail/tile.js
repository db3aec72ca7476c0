// One picture, or the place where it will be.
import { html, useState } from "../html.js";
import { Icon } from "../parts/icons.js";
import { useWords } from "../words/words.js";

export function Tile({ url, what, caption, state, isPicked, isAt, onOpen, onPick, onLost }) {
  const w = useWords();
  const [lost, setLost] = useState(null); // the address that led nowhere
  const fail = () => {
    if (lost === null && onLost) onLost(); // signed addresses expire; a fresh one is asked for once
    setLost(url);
  };
  const image = url && lost !== url && html`<img class="fade" src=${url} alt=${onOpen || caption === what ? "" : what} width="192" height="192" onError=${fail} />`;
  return html`
    <figure class=${`tile${isPicked ? " is-picked" : ""}${isAt ? " is-at" : ""}`}>
      ${!url && html`<div class="blank waits"><span class="small" key=${state}>${state}</span></div>`}
      ${url && lost === url && html`<div class="blank"><span class="small">${w.edit.lost}</span></div>`}
      ${image && (onOpen ? html`<button type="button" class="open" aria-label=${w.edit.open(what)} onClick=${onOpen}>${image}</button>` : image)}
      ${image && onPick && html`<button type="button" class="pick" aria-pressed=${isPicked ? "true" : "false"} aria-label=${w.picture.pick(what)} title=${w.picture.compare} onClick=${onPick}><${Icon} name="compare" /></button>`}
      ${caption && html`<figcaption class="small soft num">${caption}</figcaption>`}
    </figure>`;
}

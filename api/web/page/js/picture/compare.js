// Two pictures, one above the other, with a divider that is drawn across.
import { html, useState } from "../html.js";
import { Dialog } from "../parts/dialog.js";
import { number, useWords } from "../words/words.js";

const nameOf = (picture, w) => (picture.scale == null ? picture.what : `${picture.what} (${w.edit.strengthIs(number(picture.scale))})`);

export function Compare({ pair: [first, second], onClose }) {
  const w = useWords();
  const [share, setShare] = useState(50);
  return html`
    <${Dialog} title=${w.picture.compare} wide onClose=${onClose}>
      <div class="compare">
        <img src=${second.url} alt=${nameOf(second, w)} width="448" height="448" />
        <img class="above" src=${first.url} alt=${nameOf(first, w)} width="448" height="448" style=${{ clipPath: `inset(0 ${100 - share}% 0 0)` }} />
        <span class="line" style=${{ left: `${share}%` }} aria-hidden="true"></span>
        <input type="range" min="0" max="100" step="1" value=${share} aria-label=${w.picture.divider} aria-valuetext=${w.picture.shows(share)} onInput=${(event) => setShare(Number(event.target.value))} />
      </div>
      <div class="compare-names small"><span>${nameOf(first, w)}</span><span>${nameOf(second, w)}</span></div>
    </${Dialog}>`;
}

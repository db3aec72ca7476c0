// The same request as curl, Python and JavaScript write it.
import { html, useId, useState } from "../html.js";
import { Dialog } from "../parts/dialog.js";
import { toast } from "../parts/toast.js";
import { access, api } from "../server/client.js";
import { useStore } from "../store.js";
import { useWords } from "../words/words.js";
import { curl } from "./curl.js";
import { javascript } from "./javascript.js";
import { python } from "./python.js";
import { requestOf } from "./request.js";

// Without what says nothing: an empty text, what is off.
const told = (request) => Object.fromEntries(Object.entries(request).filter(([, value]) => value !== "" && value !== false));

const LANGUAGES = [["curl", curl], ["Python", python], ["JavaScript", javascript]];

export function CodeDialog({ job, request, onClose }) {
  const w = useWords();
  const { key } = useStore(access);
  const [chosen, setChosen] = useState(0);
  const id = useId();
  const learns = job.kind === "personalize";
  const asked = { url: api.href, path: learns ? "personalize" : "edit", body: told(request || requestOf(job)), pictures: learns ? job.pictures : 0, key: Boolean(key), file: "picture.png" };
  const text = LANGUAGES[chosen][1](asked);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    toast(w.code.copied);
  };
  const onKeyDown = (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    const next = (chosen + by + LANGUAGES.length) % LANGUAGES.length;
    setChosen(next);
    event.currentTarget.children[next].focus();
  };
  return html`
    <${Dialog} title=${w.code.title} wide onClose=${onClose}>
      <p class="small soft">${w.code.text}${key && ` ${w.code.key}`}</p>
      <div class="tabs" role="tablist" aria-label=${w.code.languages} onKeyDown=${onKeyDown}>
        ${LANGUAGES.map(([name], i) => html`
          <button type="button" role="tab" id=${`${id}-${i}`} aria-selected=${i === chosen ? "true" : "false"} aria-controls=${`${id}-code`} tabindex=${i === chosen ? 0 : -1} onClick=${() => setChosen(i)}>${name}</button>`)}
      </div>
      <pre class="code" role="tabpanel" id=${`${id}-code`} aria-labelledby=${`${id}-${chosen}`} tabindex="0"><code>${text}</code></pre>
      ${navigator.clipboard && html`<div class="row end"><button type="button" class="button small" onClick=${copy}>${w.code.copy}</button></div>`}
    </${Dialog}>`;
}

// One picture large, with all that decided it and what can be done with it.
import { html } from "../html.js";
import { receiptOf } from "../code/request.js";
import { Dialog } from "../parts/dialog.js";
import { Icon } from "../parts/icons.js";
import { pictureOf } from "../tail/edit.js";
import { number, useWords } from "../words/words.js";

function Facts({ request }) {
  const w = useWords();
  const facts = [
    [w.picture.strength, request.tail_scale, number], [w.picture.seed, request.seed], [w.picture.guidance, request.guidance_scale, number],
    [w.picture.steps, request.num_inference_steps], [w.picture.sampler, request.sampler], [w.picture.negative, request.negative_prompt || null], [w.picture.model, request.model],
  ];
  return html`<dl class="facts">${facts.filter(([, value]) => value != null).map(([name, value, show = String]) => html`<dt>${name}</dt><dd>${show(value)}</dd>`)}</dl>`;
}

export function Viewer({ entry, index, source, onIndex, onClose, onAgain, onUse, onCompare, onCode }) {
  const w = useWords();
  const { job } = entry;
  const picture = pictureOf(job, index);
  const receipt = receiptOf(job, index);
  const request = receipt.request;
  const last = job.results.length - 1;
  const move = (by) => onIndex(Math.min(last, Math.max(0, index + by)));
  const onKeyDown = (event) => {
    if (event.target.matches("input, pre, summary")) return;
    if (event.key === "ArrowLeft") move(-1);
    if (event.key === "ArrowRight") move(1);
  };
  const use = () => onUse({
    prompts: [picture.what], scale: request.tail_scale, negative: request.negative_prompt || "", locked: true, seed: String(request.seed), number: 1,
  });
  return html`
    <${Dialog} title=${w.picture.title} wide onClose=${onClose}>
      <div class="viewer" onKeyDown=${onKeyDown}>
        <div class="large">
          <img src=${picture.url} alt=${w.edit.result(picture.what, index + 1, last + 1)} width="448" height="448" />
          ${last > 0 && html`
            <div class="row turn">
              <button type="button" class="button small icon" aria-label=${w.picture.previous} disabled=${index === 0} onClick=${() => move(-1)}><${Icon} name="left" /></button>
              <span class="small soft num" aria-live="polite">${index + 1} / ${last + 1}</span>
              <button type="button" class="button small icon" aria-label=${w.picture.next} disabled=${index === last} onClick=${() => move(1)}><${Icon} name="right" /></button>
            </div>`}
        </div>
        <div class="stack">
          <h3 lang="en">${picture.what}</h3>
          <${Facts} request=${request} />
          <div class="acts">
            ${onAgain && html`<button type="button" class="button small" onClick=${() => onAgain({ ...job, receipt, sweep: null })}><${Icon} name="again" />${w.edit.again}</button>`}
            ${onUse && html`<button type="button" class="button small" onClick=${use}><${Icon} name="sliders" />${w.edit.use}</button>`}
            <a class="button small" href=${picture.url} download=${`${job.id}-${index}.png`}><${Icon} name="download" />${w.picture.download}</a>
            ${source && onCompare && html`<button type="button" class="button small" onClick=${() => onCompare([source, picture])}><${Icon} name="compare" />${w.picture.compareSource}</button>`}
            <button type="button" class="button small" onClick=${() => onCode(job, request)}><${Icon} name="code" />${w.code.title}</button>
          </div>
          <details class="more">
            <summary>${w.picture.receipt}</summary>
            <p class="small soft">${w.picture.receiptText}</p>
            <pre class="code" tabindex="0">${JSON.stringify(receipt, null, 2)}</pre>
          </details>
        </div>
      </div>
    </${Dialog}>`;
}

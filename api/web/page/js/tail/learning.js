// How a tail is learned: its source, what the model sees, the seam, the loss; and what came of it.
import { html, useState } from "../html.js";
import { Icon } from "../parts/icons.js";
import { ProblemText } from "../parts/problem.js";
import { Seam } from "../parts/seam.js";
import { askPatiently } from "../server/client.js";
import { hasEnded } from "../server/following.js";
import { date, number, useWords } from "../words/words.js";
import { Loss } from "./loss.js";

function Pictures({ tail, job }) {
  const w = useWords();
  const [isWatched] = useState(!hasEnded(job)); // who came later finds no place kept for what it was
  return html`
    <div class="looks">
      ${tail.source_url && html`
        <figure>
          <img src=${tail.source_url} width="192" height="192" alt=${w.tail.sourceOf(tail.labels.name || tail.prompt)} />
          <figcaption class="small soft">${w.tail.source}${tail.pictures > 1 && `, ${w.tail.ofSeveral(tail.pictures)}`}</figcaption>
        </figure>`}
      ${isWatched && html`
        <figure>
          ${job.preview ? html`<img src=${job.preview.picture} width="192" height="192" alt=${w.tail.preview(job.preview.step)} />`
            : html`<div class="blank" aria-hidden="true"></div>`}
          <figcaption class="small soft">${job.preview ? w.tail.now : hasEnded(job) ? "" : w.tail.previewNone}</figcaption>
        </figure>`}
    </div>`;
}

function timeLeft(seconds, w) {
  if (seconds == null) return "";
  return seconds < 90 ? w.tail.left(Math.max(1, Math.round(seconds))) : w.tail.leftMin(Math.round(seconds / 60));
}

function Working({ job, onStop }) {
  const w = useWords();
  const share = job.steps ? job.step / job.steps : 0;
  const queued = job.status !== "running";
  const said = queued ? job.waiting_for ? w.tail.waitsFor : job.queue_position != null ? w.tail.place(job.queue_position) : "" : job.steps ? w.tail.step(job.step, job.steps) : "";
  return html`
    <h2>${queued ? w.tail.queued : w.tail.running}</h2>
    <p class="soft num said">${[said, timeLeft(job.eta_s, w)].filter(Boolean).join(" · ") || " "}</p>
    <${Seam} share=${share} label=${w.tail.running} />
    <${Loss} losses=${job.losses} />
    <div class="row foot">
      <button type="button" class="button small" onClick=${onStop}><${Icon} name="stop" />${w.tail.stop}</button>
      <span class="small soft">${w.tail.leave}</span>
    </div>`;
}

function Done({ tail, job, onCode }) {
  const w = useWords();
  const { steps, recipe } = job.parameters;
  const seconds = job.ended_at && (new Date(job.ended_at) - new Date(job.created_at)) / 1000;
  return html`
    <h2 class="good">${tail.imported ? w.tail.imported : w.tail.succeeded}</h2>
    <p class="soft num said">${tail.imported ? date(new Date(tail.created_at)) : w.tail.took(number(seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds)), steps)}</p>
    <dl class="facts">
      <dt>${w.tail.prompt}</dt><dd lang="en">${(job.prompts || [tail.prompt]).join("; ")}</dd>
      <dt>${w.tail.model}</dt><dd>${tail.model}${recipe && `, ${recipe}`}</dd>
      <dt>${w.tail.seed}</dt><dd>${job.seed}</dd>
      ${job.fit && html`<dt>${w.tail.explained}</dt><dd>${w.tail.explains(Math.round(job.fit.explained * 100))}</dd>`}
    </dl>
    ${job.warnings.map((warning) => html`<p class="notice warn small" lang="en">${warning}</p>`)}
    <div class="row foot">
      <a class="button small" href=${tail.url || undefined} aria-disabled=${tail.url ? "false" : "true"} download=${`${tail.id}.safetensors`}><${Icon} name="download" />${w.tail.file}</a>
      ${!tail.imported && html`<button type="button" class="button small" onClick=${onCode}><${Icon} name="code" />${w.tail.code}</button>`}
      ${job.receipt && html`<details class="more receipt"><summary>${w.tail.receipt}</summary><pre class="code" tabindex="0">${JSON.stringify(job.receipt, null, 2)}</pre></details>`}
    </div>`;
}

export function Learning({ tail, job, onCode }) {
  const w = useWords();
  const stop = () => askPatiently(`jobs/${job.id}`, { method: "DELETE" }); // the stream tells of it
  return html`
    <section class="card learning" aria-label=${w.tail.running} data-status=${job.status}>
      <${Pictures} tail=${tail} job=${job} />
      <div class="telling">
        ${job.status === "succeeded" ? html`<${Done} tail=${tail} job=${job} onCode=${onCode} />`
          : job.status === "failed" ? html`<h2>${w.tail.failed}</h2><p><${ProblemText} problem=${job.error || {}} /></p>`
          : job.status === "canceled" ? html`<h2>${w.tail.canceled}</h2><p class="soft">${w.tail.canceledText}</p>`
          : html`<${Working} job=${job} onStop=${stop} />`}
      </div>
      <p class="hidden" role="status">${hasEnded(job) ? w.tail[job.status] : w.tail[job.status] || ""}</p>
    </section>`;
}

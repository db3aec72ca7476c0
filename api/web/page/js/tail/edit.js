// One edit: its pictures beside the source, each in the place that was kept for it.
import { html, useState } from "../html.js";
import { Icon } from "../parts/icons.js";
import { ProblemNotice } from "../parts/problem.js";
import { Waiting } from "../parts/waiting.js";
import { hasEnded } from "../server/following.js";
import { number, useWords } from "../words/words.js";
import { requestOf } from "../code/request.js";
import { sizeOf } from "./editing.js";
import { Tile } from "./tile.js";

export const pictureOf = (job, index) => {
  const result = job.results[index];
  const said = result.cell?.prompt || job.prompt;
  return { url: result.url, what: said, scale: result.cell?.tail_scale ?? job.parameters.tail_scale };
};

function about(request, parameters, w) {
  const swept = request.sweep?.tail_scale;
  const scale = parameters?.tail_scale ?? request.tail_scale;
  return [
    !swept && scale != null && w.edit.strengthIs(number(scale)),
    request.seed != null && w.edit.seedIs(request.seed),
    request.negative_prompt && w.edit.without(request.negative_prompt),
  ].filter(Boolean).join(" · ");
}

function stateOf(job, w) {
  if (!job) return w.edit.unsent;
  if (job.status === "queued") return w.edit.queued;
  if (job.status !== "running") return w.edit[job.status] || "";
  return job.steps ? w.edit.runningAt(Math.round((100 * job.step) / job.steps)) : w.edit.running;
}

// The strip of strengths, and the slider that goes through it.
function Strip({ cells, at, onAt, onStrength }) {
  const w = useWords();
  return html`
    <div class="strip row">
      <input type="range" min="0" max=${cells.length - 1} step="1" value=${at} aria-label=${w.edit.stripChoose} aria-valuetext=${number(cells[at])}
        onInput=${(event) => onAt(Number(event.target.value))} />
      <button type="button" class="button small" onClick=${() => onStrength(cells[at])}>${w.edit.stripUse(number(cells[at]))}</button>
    </div>`;
}

export function Edit({ entry, editing, source, picked, canMake, onOpen, onPick, onAgain, onCode, onRemove, onStrength }) {
  const w = useWords();
  const { job, body, waits, problem } = entry;
  const request = job ? requestOf(job) : body;
  const prompt = request.prompt;
  const scales = request.sweep?.tail_scale;
  const usual = scales?.indexOf(job?.parameters.tail_scale) ?? -1;
  const [chosen, setChosen] = useState(null);
  const at = chosen ?? (usual < 0 ? 0 : usual);
  const isBad = problem || job?.status === "failed" || job?.status === "canceled";
  const isOpen = !problem && (!job || !hasEnded(job));
  const count = job?.results.length || sizeOf(request);
  const pickedUrls = new Set(picked.map((one) => one.url));
  return html`
    <article class=${`card edit${count > 2 ? " is-wide" : ""}`} data-status=${problem ? "refused" : job?.status || "sending"} aria-busy=${isOpen ? "true" : "false"}>
      <header>
        <div>
          <h3 lang="en">${prompt}</h3>
          <p class="small soft num">${about(request, job?.parameters, w) || " "}</p>
        </div>
        <div class="row tools">
          ${job?.status === "succeeded" && html`
            ${canMake && html`<button type="button" class="button quiet icon" title=${w.edit.again} aria-label=${w.edit.again} onClick=${() => onAgain(job)}><${Icon} name="again" /></button>`}
            <button type="button" class="button quiet icon" title=${w.code.title} aria-label=${w.code.title} onClick=${() => onCode(job)}><${Icon} name="code" /></button>`}
          ${isOpen && html`<button type="button" class="button quiet icon" title=${w.edit.stop} aria-label=${w.edit.stop} onClick=${() => editing.cancel(entry)}><${Icon} name="close" /></button>`}
          ${job && !isOpen && html`<button type="button" class="button quiet icon" title=${w.edit.remove1} aria-label=${w.edit.remove1} onClick=${() => onRemove(entry)}><${Icon} name="trash" /></button>`}
        </div>
      </header>
      ${waits && html`<${Waiting} waits=${waits} onGiveUp=${() => editing.cancel(entry)} />`}
      ${isBad ? html`
        <${ProblemNotice} problem=${problem || job.error || { detail: w.edit.canceled }} title=${job?.status === "failed" ? w.edit.failed : ""}>
          <div class="row">
            ${canMake && html`<button type="button" class="button small" onClick=${() => (editing.forget(entry.key), editing.make(body || withoutTail(request)))}>${w.edit.sameAgain}</button>`}
            ${!job && html`<button type="button" class="button quiet small" onClick=${() => editing.forget(entry.key)}>${w.close}</button>`}
          </div>
        </${ProblemNotice}>` : html`
        <ul class="tiles">
          ${source && html`<li class="tile-source"><${Tile} url=${source.url} what=${source.what} caption=${source.what} onPick=${() => onPick(source)} isPicked=${pickedUrls.has(source.url)} /></li>`}
          ${Array.from({ length: count }, (_, i) => {
            const picture = job?.results[i] && pictureOf(job, i);
            const caption = scales && w.edit.tileAt(number(scales[i]));
            return html`<li key=${i}><${Tile} url=${picture?.url} what=${caption ? `${prompt}, ${caption}` : w.edit.result(prompt, i + 1, count)} caption=${caption} state=${stateOf(job, w)} isAt=${scales && job?.status === "succeeded" && i === at}
              onOpen=${picture && (() => onOpen(entry, i))} onPick=${picture && (() => onPick(picture))} isPicked=${picture && pickedUrls.has(picture.url)} onLost=${() => editing.refresh(entry)} /></li>`;
          })}
        </ul>
        ${scales && canMake && html`<div class="strip-place">${job?.status === "succeeded" && html`<${Strip} cells=${scales} at=${at} onAt=${setChosen} onStrength=${onStrength} />`}</div>`}`}
    </article>`;
}

const withoutTail = ({ tail_id: _, ...request }) => request;

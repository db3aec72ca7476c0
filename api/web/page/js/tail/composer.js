// What is asked of a subject: prompts one below the other, and how they are made.
import { html, useState } from "../html.js";
import { Icon } from "../parts/icons.js";
import { fieldOf, explain } from "../parts/problem.js";
import { PromptInput, TokenCount, useTokens } from "../parts/prompt.js";
import { number, useWords } from "../words/words.js";
import { ideasFor } from "./ideas.js";

export const emptyDraft = () => ({ prompts: [""], scale: null, number: 1, locked: false, seed: "", negative: "" });
const STRIP = [0, 0.4, 0.7, 1, 1.3, 1.6]; // times the usual strength; 0 is what the words say alone
const MOST_SCALE = 2;
const draw = () => Math.floor(Math.random() * 2 ** 32);

function PromptRow({ n, of, value, model, limit, wrong, onInput, onRemove, onEnter, inputRef }) {
  const w = useWords();
  const tokens = useTokens(model, value);
  const long = tokens !== null && limit && tokens > limit ? w.make.tokensLong(tokens, limit) : "";
  return html`
    <li class="prompt-row">
      <div class="with-count" onKeyDown=${(event) => event.key === "Enter" && event.shiftKey && (event.preventDefault(), onEnter())}>
        <${PromptInput} id=${`prompt-${n}`} value=${value} onInput=${onInput} wrong=${wrong || long} placeholder=${n === 1 ? w.edit.placeholder : ""} label=${w.edit.prompt(n)} inputRef=${inputRef} />
        <${TokenCount} tokens=${tokens} limit=${limit} />
        ${of > 1 && html`<button type="button" class="button quiet icon" aria-label=${w.edit.remove(n)} onClick=${onRemove}><${Icon} name="close" /></button>`}
      </div>
      <p class="wrong" id=${`prompt-${n}-wrong`} role="alert">${wrong || long}</p>
    </li>`;
}

export function Composer({ draft, onDraft, tail, job, model, usage, editing, input }) {
  const w = useWords();
  const [wrong, setWrong] = useState({});
  const usual = usage?.tail_scale ?? 1;
  const scale = draft.scale ?? usual;
  const limit = model && tail.positions && model.sequence_length - tail.positions;
  const change = (changes) => (setWrong({}), onDraft({ ...draft, ...changes }));
  const setPrompt = (at, value) => change({ prompts: draft.prompts.map((prompt, i) => (i === at ? value : prompt)) });
  const add = (value = "") => {
    const free = draft.prompts.findIndex((prompt) => !prompt.trim());
    change({ prompts: value && free >= 0 ? draft.prompts.map((prompt, i) => (i === free ? value : prompt)) : [...draft.prompts, value] });
  };
  const wanted = draft.prompts.map((prompt) => prompt.trim()).filter(Boolean);

  const submit = (strip) => {
    if (!wanted.length) {
      setWrong({ 0: w.edit.needPrompt });
      return input.current.focus();
    }
    const seed = draft.locked ? (draft.seed === "" ? draw() : Number(draft.seed)) : undefined;
    if (draft.locked && draft.seed === "") onDraft({ ...draft, seed: String(seed) });
    // The last first: the newest stands above, so they come to stand as they were written.
    for (const prompt of [...wanted].reverse()) {
      const body = {
        prompt,
        ...(strip ? { sweep: { tail_scale: STRIP.map((times) => Math.min(MOST_SCALE, Math.round(times * usual * 100) / 100)) } } : {}),
        ...(strip || draft.number === 1 ? {} : { num_images: draft.number }),
        ...(strip || draft.scale === null ? {} : { tail_scale: scale }),
        ...(seed === undefined ? {} : { seed }),
        ...(draft.negative.trim() ? { negative_prompt: draft.negative.trim() } : {}),
      };
      editing.make(body).then((problem) => problem && refuse(problem, prompt));
    }
    return null;
  };
  const refuse = (problem, prompt) => {
    const field = fieldOf(problem);
    const said = explain(problem, w) || problem.document?.detail;
    if (field === "seed") setWrong({ seed: said });
    else if (field === "negative_prompt") setWrong({ negative: said });
    else if (field.includes("prompt")) setWrong({ [Math.max(0, draft.prompts.findIndex((one) => one.trim() === prompt))]: said });
  };

  const ideas = ideasFor(tail.prompt).filter((idea) => !draft.prompts.includes(idea));
  return html`
    <form class="card composer" aria-label=${w.edit.title} noValidate onSubmit=${(event) => (event.preventDefault(), submit(false))}>
      <div class="stack">
        <header class="row"><h2>${w.edit.title}</h2>${job.status !== "succeeded" && html`<span class="small soft">${w.edit.waits}</span>`}</header>
        <ol class="prompts" aria-label=${w.edit.prompts}>
          ${draft.prompts.map((prompt, i) => html`
            <${PromptRow} key=${i} n=${i + 1} of=${draft.prompts.length} value=${prompt} model=${model} limit=${limit} wrong=${wrong[i]} inputRef=${i === 0 ? input : undefined}
              onInput=${(value) => setPrompt(i, value)} onEnter=${() => add()} onRemove=${() => change({ prompts: draft.prompts.filter((_, at) => at !== i) })} />`)}
        </ol>
        <button type="button" class="button quiet small more-prompts" onClick=${() => add()}><${Icon} name="plus" />${w.edit.add}</button>
        <div class="ideas">
          ${ideas.length > 0 && html`<span class="small soft" id="ideas">${w.edit.ideas}</span>`}
          <ul class="row" aria-labelledby="ideas">${ideas.map((idea) => html`<li key=${idea}><button type="button" class="chip" lang="en" onClick=${() => add(idea)}>${idea}</button></li>`)}</ul>
        </div>
      </div>
      <div class="stack knobs">
        <div class="field strength">
          <div class="top-line"><label for="strength">${w.edit.strength}</label><span class="count">${number(scale)}</span></div>
          <input id="strength" type="range" min="0" max=${MOST_SCALE} step="0.05" value=${scale} onInput=${(event) => change({ scale: Number(event.target.value) })} />
          <div class="top-line small soft" aria-hidden="true"><span>${w.edit.strengthLow}</span><span>${w.edit.strengthHigh}</span></div>
        </div>
        <div class="field number">
          <label for="number">${w.edit.number}</label>
          <select id="number" value=${String(draft.number)} onChange=${(event) => change({ number: Number(event.target.value) })}>
            ${[1, 2, 3, 4, 6, 8].map((n) => html`<option value=${String(n)} selected=${n === draft.number}>${n}</option>`)}
          </select>
        </div>
        <details class="more" open=${Boolean(wrong.seed || wrong.negative || draft.locked || draft.negative) || undefined}>
          <summary>${w.edit.settings}</summary>
          <div class="stack">
            <label class="check"><input type="checkbox" checked=${draft.locked} onChange=${(event) => change({ locked: event.target.checked })} />${w.edit.lock}</label>
            <div class="field">
              <label for="edit-seed" class="hidden">${w.edit.seed}</label>
              <input id="edit-seed" inputmode="numeric" disabled=${!draft.locked} value=${draft.seed} placeholder=${w.edit.seed} aria-describedby="edit-seed-hint"
                aria-invalid=${wrong.seed ? "true" : "false"} onInput=${(event) => change({ seed: event.target.value.replace(/\D/g, "") })} />
              <p class=${wrong.seed ? "wrong" : "hint"} id="edit-seed-hint">${wrong.seed || w.edit.lockHint}</p>
            </div>
            <div class="field">
              <label for="negative">${w.edit.negative}</label>
              <input id="negative" lang="en" value=${draft.negative} maxlength="1000" aria-describedby="negative-hint" aria-invalid=${wrong.negative ? "true" : "false"}
                onInput=${(event) => change({ negative: event.target.value })} />
              <p class=${wrong.negative ? "wrong" : "hint"} id="negative-hint">${wrong.negative || w.edit.negativeHint}</p>
            </div>
          </div>
        </details>
      </div>
      <div class="row actions">
        <button class="button main">${w.edit.make(wanted.length)}</button>
        <button type="button" class="button" onClick=${() => submit(true)}><${Icon} name="sliders" />${w.edit.strip}</button>
      </div>
    </form>`;
}

// One tail: how it is learned, what is made with it, and how it goes.
import { html, useEffect, useRef, useState } from "../html.js";
import { Deletion } from "../keep/deletion.js";
import { CodeDialog } from "../code/dialog.js";
import { requestOf } from "../code/request.js";
import { Icon } from "../parts/icons.js";
import { ProblemNotice } from "../parts/problem.js";
import { toast } from "../parts/toast.js";
import { Compare } from "../picture/compare.js";
import { Viewer } from "../picture/viewer.js";
import { addressOf, go } from "../route.js";
import { access, askPatiently } from "../server/client.js";
import { follow } from "../server/following.js";
import { modelNamed, models, usageOf } from "../server/models.js";
import { useStore } from "../store.js";
import { useWords } from "../words/words.js";
import { Composer, emptyDraft } from "./composer.js";
import { useEditing } from "./editing.js";
import { Edits } from "./edits.js";
import { Gone } from "./gone.js";
import { Learning } from "./learning.js";
import { Name } from "./name.js";

const jobOf = (tailId) => tailId.replace("tail_", "job_");

function useTail(id) {
  const [tail, setTail] = useState(null);
  const [job, setJob] = useState(null);
  const [problem, setProblem] = useState(null);
  const { taken } = useStore(access);
  useEffect(() => {
    const stop = new AbortController();
    const read = async () => setTail(await askPatiently(`tails/${id}`, { signal: stop.signal }));
    setProblem(null);
    read()
      .then(() => follow(jobOf(id), setJob, stop.signal))
      .then(read) // its file has an address now
      .catch((error) => stop.signal.aborted || setProblem(error));
    return () => stop.abort();
  }, [id, taken]);
  return { tail, job, problem, setTail };
}

export function TailPage({ id }) {
  const w = useWords();
  const { tail, job, problem, setTail } = useTail(id);
  const editing = useEditing(id, (made) => toast(w.edit.ready(made.prompt)));
  const [draft, setDraft] = useState(emptyDraft);
  const [picked, setPicked] = useState([]); // one picture, which another is to be compared with
  const [dialog, setDialog] = useState(null);
  const composer = useRef();
  const all = useStore(models);
  const model = tail && all && (all.find(({ name }) => name === tail.model) || modelNamed(all, tail.model));
  const usage = usageOf(model, job?.parameters?.recipe);
  const title = tail ? tail.labels.name || tail.prompt : "";
  const heading = useRef();
  useEffect(() => {
    document.title = title ? `${title} – ${w.title}` : w.title;
  }, [title, w]);
  useEffect(() => heading.current?.focus({ preventScroll: true }), [Boolean(tail && job)]);

  if (problem && [404, 410].includes(problem.status)) return html`<${Gone} problem=${problem} editing=${editing} onShow=${setDialog} dialog=${dialog} />`;
  if (problem) return html`<${ProblemNotice} problem=${problem} />`;
  if (!tail || !job) return html`<div class="tail-loading" aria-busy="true"></div>`;

  const source = tail.source_url && { url: tail.source_url, what: w.tail.source };
  const close = () => setDialog(null);
  const pick = (picture) => {
    const others = picked.filter((one) => one.url !== picture.url);
    if (others.length < picked.length) return setPicked(others);
    if (!picked.length) return setPicked([picture]);
    setPicked([]);
    return setDialog({ compare: [picked[0], picture] });
  };
  const use = (settings) => {
    setDraft({ ...emptyDraft(), ...settings });
    close();
    toast(w.edit.used);
    composer.current?.focus();
  };
  const makeAgain = (made) => {
    const { tail_id: _, seed: __, ...request } = requestOf(made);
    close();
    editing.make(request);
  };
  return html`
    <article class="tail">
      <header class="tail-head">
        <a class="back" href=${addressOf(null)}><${Icon} name="left" />${w.nav.home}</a>
        <div class="row">
          <${Name} tail=${tail} title=${title} heading=${heading} onNamed=${setTail} />
          <button type="button" class="button quiet small" onClick=${() => setDialog({ remove: "tail" })}><${Icon} name="trash" />${w.tail.delete}</button>
        </div>
      </header>
      <${Learning} tail=${tail} job=${job} onCode=${() => setDialog({ code: job })} />
      ${!["failed", "canceled"].includes(job.status) && html`
        <${Composer} draft=${draft} onDraft=${setDraft} tail=${tail} job=${job} model=${model} usage=${usage} editing=${editing} input=${composer} />`}
      <${Edits} editing=${editing} source=${source} picked=${picked} onPick=${pick} canMake=${job.status !== "failed" && job.status !== "canceled"}
        onOpen=${(entry, index) => setDialog({ entry, index })} onAgain=${makeAgain} onCode=${(made) => setDialog({ code: made })}
        onRemove=${(entry) => setDialog({ remove: "edit", entry })} onStrength=${(scale) => (setDraft({ ...draft, scale }), toast(w.edit.used), composer.current?.focus())} />
      ${picked.length > 0 && html`
        <div class="picked card">
          <img src=${picked[0].url} alt="" />
          <p>${w.picture.picked}</p>
          <div class="row">
            ${source && html`<button type="button" class="button small" onClick=${() => pick(source)}>${w.picture.withSource}</button>`}
            <button type="button" class="button quiet small" onClick=${() => setPicked([])}>${w.picture.unpick}</button>
          </div>
        </div>`}
      ${dialog?.entry && html`<${Viewer} entry=${dialog.entry} index=${dialog.index} source=${source} onIndex=${(index) => setDialog({ ...dialog, index })} onClose=${close}
        onAgain=${makeAgain} onUse=${use} onCompare=${(pair) => setDialog({ compare: pair })} onCode=${(made, request) => setDialog({ code: made, request })} />`}
      ${dialog?.compare && html`<${Compare} pair=${dialog.compare} onClose=${close} />`}
      ${dialog?.code && html`<${CodeDialog} job=${dialog.code} request=${dialog.request} onClose=${close} />`}
      ${dialog?.remove === "tail" && html`<${Deletion} tail=${tail} onClose=${close} onDeleted=${() => go(null)} />`}
      ${dialog?.remove === "edit" && html`<${Deletion} job=${dialog.entry.job} onClose=${close} onDeleted=${() => (editing.forget(dialog.entry.key), close())} />`}
    </article>`;
}

// Asks before it deletes, and says what would go; then says what went.
import { html, useEffect, useState } from "../html.js";
import { Dialog } from "../parts/dialog.js";
import { ProblemNotice } from "../parts/problem.js";
import { toast } from "../parts/toast.js";
import { ask, askPatiently } from "../server/client.js";
import { bytes, useWords } from "../words/words.js";

const MOST = 100; // of a list's page

function useEdits(tail) {
  const [edits, setEdits] = useState(null);
  useEffect(() => {
    if (tail) askPatiently(`jobs?kind=edit&tail_id=${tail.id}&limit=${MOST}`).then((page) => setEdits({ count: page.items.length, full: !page.next_cursor }), () => {});
  }, [tail?.id]);
  return edits;
}

// Of a `tail`, or of the `job` of an edit.
export function Deletion({ tail, job, onClose, onDeleted }) {
  const w = useWords();
  const [too, setToo] = useState(false);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const edits = useEdits(tail);
  const remove = async () => {
    setBusy(true);
    try {
      const path = tail ? `tails/${tail.id}?edits=${too ? "delete" : "keep"}` : `jobs/${job.id}?purge=true`;
      const gone = await ask(path, { method: "DELETE" });
      toast(w.remove.done(gone.objects, bytes(gone.bytes)));
      onDeleted();
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  return html`
    <${Dialog} title=${tail ? w.remove.tail(tail.labels.name || tail.prompt) : w.remove.edit} onClose=${onClose}>
      <p>${w.remove.what}</p>
      <ul class="goes">
        ${tail ? html`
          <li>${w.remove.tailItself}</li>
          ${tail.pictures > 0 && html`<li>${w.remove.sources(tail.pictures)}</li>`}
          <li>${w.remove.prompts}</li>` : html`<li>${w.remove.editPictures(job.results.length)}</li>`}
      </ul>
      ${edits?.count > 0 && html`
        <label class="check"><input type="checkbox" checked=${too} onChange=${(event) => setToo(event.target.checked)} />${w.remove.editsToo(edits.count, edits.full)}</label>
        <p class="small soft">${w.remove.editsKept}</p>`}
      ${problem && html`<${ProblemNotice} problem=${problem.document ? problem : { detail: w.banner.away }} />`}
      <div class="row end">
        <button type="button" class="button" onClick=${onClose}>${w.cancel}</button>
        <button type="button" class="button danger" disabled=${busy} onClick=${remove}>${w.remove.yes}</button>
      </div>
    </${Dialog}>`;
}

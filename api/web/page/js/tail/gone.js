// A tail that is not there: deleted, or never known; edits that were kept are still shown.
import { html } from "../html.js";
import { CodeDialog } from "../code/dialog.js";
import { Deletion } from "../keep/deletion.js";
import { Viewer } from "../picture/viewer.js";
import { addressOf } from "../route.js";
import { useWords } from "../words/words.js";
import { Edits } from "./edits.js";

export function Gone({ problem, editing, dialog, onShow }) {
  const w = useWords();
  const name = problem.status === 410 ? "gone" : "unknown";
  const close = () => onShow(null);
  return html`
    <section class="gone stack" data-state=${name}>
      <h1 tabindex="-1">${w.tail[name]}</h1>
      <p class="soft">${w.tail[`${name}Text`]}</p>
      <div class="row"><a class="button main" href=${addressOf(null)}>${w.tail.home}</a></div>
    </section>
    ${editing.entries.length > 0 && html`
      <p class="soft">${w.tail.goneEdits}</p>
      <${Edits} editing=${editing} picked=${[]} canMake=${false} onOpen=${(entry, index) => onShow({ entry, index })} onCode=${(job) => onShow({ code: job })} onRemove=${(entry) => onShow({ remove: entry })} />`}
    ${dialog?.entry && html`<${Viewer} entry=${dialog.entry} index=${dialog.index} onIndex=${(index) => onShow({ ...dialog, index })} onClose=${close} onCode=${(code, request) => onShow({ code, request })} />`}
    ${dialog?.code && html`<${CodeDialog} job=${dialog.code} request=${dialog.request} onClose=${close} />`}
    ${dialog?.remove && html`<${Deletion} job=${dialog.remove.job} onClose=${close} onDeleted=${() => (editing.forget(dialog.remove.key), close())} />`}`;
}

// A modal dialog: the browser keeps the focus in it, Escape closes it.
import { html, useEffect, useId, useRef } from "../html.js";
import { useWords } from "../words/words.js";
import { Icon } from "./icons.js";

export function Dialog({ title, wide, onClose, children }) {
  const w = useWords();
  const shown = useRef();
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    if (!shown.current.open) shown.current.showModal();
    return () => before?.isConnected && before.focus();
  }, []);
  const onClick = (event) => event.target === shown.current && onClose(); // beside it
  return html`
    <dialog ref=${shown} class=${wide ? "wide" : ""} aria-labelledby=${id} onClose=${onClose} onClick=${onClick}
      onCancel=${(event) => (event.preventDefault(), onClose())}>
      <div class="dialog-head">
        <h2 id=${id}>${title}</h2>
        <button type="button" class="button quiet icon" aria-label=${w.close} onClick=${onClose}><${Icon} name="close" /></button>
      </div>
      <div class="dialog-body">${children}</div>
    </dialog>`;
}

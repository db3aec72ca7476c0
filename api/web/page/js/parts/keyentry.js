// Asks for an API key when the server wants one, and says so when it was the wrong one.
import { html, useId, useState } from "../html.js";
import { access, Away, forgetKey, tryKey } from "../server/client.js";
import { useStore } from "../store.js";
import { useWords } from "../words/words.js";
import { Dialog } from "./dialog.js";

export function KeyEntry({ asked, onClose }) {
  const w = useWords();
  const { wanted, key } = useStore(access);
  const [typed, setTyped] = useState("");
  const [wrong, setWrong] = useState(null);
  const id = useId();
  if (!wanted && !asked) return null;
  const said = wrong || (wanted === "wrong" ? w.key.wrong : null);
  const use = async (event) => {
    event.preventDefault();
    if (!/^tailor_\S+$/.test(typed.trim())) return setWrong(w.key.shape);
    try {
      await tryKey(typed.trim());
      setTyped("");
      setWrong(null);
      onClose();
    } catch (error) {
      setWrong(error instanceof Away ? w.banner.away : w.key.wrong);
    }
  };
  return html`
    <${Dialog} title=${w.key.title} onClose=${() => asked && onClose()}>
      <p class="soft">${w.key.text}</p>
      ${key && !wanted && html`
        <div class="notice"><div>${w.key.kept}
          <div class="row"><button type="button" class="button small" onClick=${() => (forgetKey(), onClose())}>${w.key.forget}</button></div>
        </div></div>`}
      <form class="stack" onSubmit=${use} noValidate>
        <div class="field">
          <label for=${id}>${w.key.label}</label>
          <input id=${id} type="password" autocomplete="off" autocapitalize="off" spellcheck=${false} placeholder="tailor_…"
            value=${typed} onInput=${(event) => setTyped(event.target.value)} aria-invalid=${said ? "true" : "false"} aria-describedby=${`${id}-wrong`} />
          <p class="wrong" id=${`${id}-wrong`} role="alert">${said}</p>
        </div>
        <div class="row end"><button class="button main">${w.key.use}</button></div>
      </form>
    </${Dialog}>`;
}

// A tail's name, which is its label `name`; it is changed where it stands.
import { html, useState } from "../html.js";
import { Icon } from "../parts/icons.js";
import { toast } from "../parts/toast.js";
import { askPatiently } from "../server/client.js";
import { useWords } from "../words/words.js";

export function Name({ tail, title, heading, onNamed }) {
  const w = useWords();
  const [typed, setTyped] = useState(null);
  const [wrong, setWrong] = useState(null);
  const save = async (event) => {
    event.preventDefault();
    const name = typed.trim();
    if (name === (tail.labels.name || "")) return setTyped(null);
    try {
      onNamed(await askPatiently(`tails/${tail.id}`, { method: "PATCH", body: { labels: { name: name || null } } }));
      setTyped(null);
      setWrong(null);
      toast(w.tail.renamed);
    } catch (problem) {
      setWrong(problem.document?.detail);
    }
  };
  if (typed === null) {
    return html`
      <h1 class="name" ref=${heading} tabindex="-1">${title}</h1>
      <button type="button" class="button quiet small" onClick=${() => setTyped(tail.labels.name || "")}><${Icon} name="pen" />${w.tail.rename}</button>`;
  }
  return html`
    <form class="row naming" onSubmit=${save}>
      <h1 class="hidden" ref=${heading} tabindex="-1">${title}</h1>
      <input class="input" aria-label=${w.make.name} value=${typed} maxlength="100" ref=${(input) => input && typed === (tail.labels.name || "") && input.focus()}
        onInput=${(event) => setTyped(event.target.value)} onKeyDown=${(event) => event.key === "Escape" && setTyped(null)} aria-invalid=${wrong ? "true" : "false"} />
      <button class="button small">OK</button>
      ${wrong && html`<p class="wrong" role="alert">${wrong}</p>`}
    </form>`;
}

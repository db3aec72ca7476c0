// A prompt's input with its tokens counted as one types, and their limit.
import { html, useEffect, useState } from "../html.js";
import { ask, pause } from "../server/client.js";
import { useWords } from "../words/words.js";

const CALM_MS = 250; // after the last key

// The tokens of a text as the model counts them; null while nobody knows.
export function useTokens(model, text) {
  const [tokens, setTokens] = useState(null);
  useEffect(() => {
    if (!model || !text.trim()) return setTokens(null);
    const stop = new AbortController();
    pause(CALM_MS, stop.signal)
      .then(() => ask(`models/${encodeURIComponent(model.name)}/tokens?text=${encodeURIComponent(text)}`, { signal: stop.signal }))
      .then((counted) => setTokens(counted.tokens))
      .catch(() => stop.signal.aborted || setTokens(null)); // then the server says it when the prompt is sent
    return () => stop.abort();
  }, [model?.hash, text]);
  return tokens;
}

export const PromptInput = ({ id, value, onInput, wrong, placeholder, describedBy = "", inputRef, label }) => html`
  <input id=${id} ref=${inputRef} class="input" value=${value} placeholder=${placeholder} onInput=${(event) => onInput(event.target.value)} maxlength="1000"
    autocomplete="off" aria-label=${label} aria-invalid=${wrong ? "true" : "false"} aria-describedby=${`${id}-wrong ${describedBy}`.trim()} lang="en" />`;

export function TokenCount({ tokens, limit }) {
  const w = useWords();
  if (tokens === null || !limit) return html`<span class="count" aria-hidden="true"></span>`;
  return html`<span class=${tokens > limit ? "count over" : "count"}>${w.make.tokens(tokens, limit)}</span>`;
}

// Why a request has not been sent yet, and when it will be.
import { html, useEffect, useState } from "../html.js";
import { useWords } from "../words/words.js";
import { Icon } from "./icons.js";

export function useSecondsUntil(time) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!time) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, [time]);
  return time ? Math.max(0, Math.ceil((time - now) / 1000)) : 0;
}

export function Waiting({ waits, onGiveUp }) {
  const w = useWords();
  const seconds = useSecondsUntil(waits.until);
  const said = w.sending[waits.reason] || w.sending.later;
  return html`
    <div class="notice warn" role="status">
      <${Icon} name=${waits.reason === "away" ? "cloud" : "clock"} />
      <div>
        <span>${typeof said === "function" ? said(seconds) : said}</span>
        ${onGiveUp && html`<div class="row"><button type="button" class="button small" onClick=${onGiveUp}>${w.cancel}</button></div>`}
      </div>
    </div>`;
}

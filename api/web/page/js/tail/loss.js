// The loss over the steps: noisy by nature, so its running mean is drawn over it.
import { html } from "../html.js";
import { precise, useWords } from "../words/words.js";

const [WIDTH, HEIGHT] = [300, 48];

const line = (values, low, high) =>
  values.map((value, i) => `${i ? "L" : "M"}${((i / Math.max(1, values.length - 1)) * WIDTH).toFixed(1)} ${(HEIGHT - 3 - ((value - low) / (high - low || 1)) * (HEIGHT - 6)).toFixed(1)}`).join("");

function smooth(values, reach = Math.max(1, Math.round(values.length / 8))) {
  return values.map((_, i) => {
    const near = values.slice(Math.max(0, i - reach), i + reach + 1);
    return near.reduce((sum, value) => sum + value, 0) / near.length;
  });
}

export function Loss({ losses }) {
  const w = useWords();
  const drawn = losses.length > 1;
  const [low, high] = drawn ? [Math.min(...losses), Math.max(...losses)] : [0, 1];
  const now = losses.at(-1);
  return html`
    <div class="loss">
      <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${now == null ? w.tail.loss : w.tail.lossAt(precise(now))}>
        ${drawn && html`<path class="raw" d=${line(losses, low, high)} /><path class="mean" d=${line(smooth(losses), low, high)} />`}
      </svg>
      <span class="small soft num">${now == null ? w.tail.loss : w.tail.lossAt(precise(now))}</span>
    </div>`;
}

// Progress as a seam that is sewn.
import { html } from "../html.js";

export function Seam({ share, label }) {
  const percent = Math.round(share * 100);
  return html`
    <div class="seam" role="progressbar" aria-label=${label} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${percent}>
      <svg viewBox="0 0 400 14" preserveAspectRatio="none" aria-hidden="true">
        <path class="base" d="M2 7H398" />
        ${percent > 0 && html`<path class="done" d=${`M2 7H${2 + 3.96 * percent}`} />`}
      </svg>
    </div>`;
}

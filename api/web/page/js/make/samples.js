// Pictures for who has none at hand: individuals that the embedded model was not trained on.
import { html } from "../html.js";
import { useWords } from "../words/words.js";

const SAMPLES = [
  { name: "dog", prompt: "a standing dog on the grass" },
  { name: "fox", prompt: "a standing fox in the forest" },
  { name: "rabbit", prompt: "a sitting rabbit in a room" },
];
const address = (name) => new URL(`../../samples/${name}.webp`, import.meta.url).href;

export function Samples({ onTake, onFail }) {
  const w = useWords();
  const take = async ({ name, prompt }) => {
    try {
      const answer = await fetch(address(name));
      onTake(new File([await answer.blob()], `${name}.webp`, { type: "image/webp" }), prompt);
    } catch {
      onFail();
    }
  };
  return html`
    <div class="samples">
      <p class="small soft" id="samples">${w.make.samples}</p>
      <ul class="row" aria-labelledby="samples">
        ${SAMPLES.map((sample) => html`
          <li key=${sample.name}>
            <button type="button" class="sample" aria-label=${w.make.sample(w.make[sample.name])} onClick=${() => take(sample)}>
              <img src=${address(sample.name)} alt="" width="76" height="76" />
              <span aria-hidden="true">${w.make[sample.name]}</span>
            </button>
          </li>`)}
      </ul>
    </div>`;
}

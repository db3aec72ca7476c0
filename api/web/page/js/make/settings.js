// Model, recipe and seed: there for who wants them.
import { html } from "../html.js";
import { useWords } from "../words/words.js";

export function Settings({ all, model, recipe, settings, wrong, onChange }) {
  const w = useWords();
  const isWrong = wrong.model || wrong.recipe || wrong.seed;
  return html`
    <details class="more" open=${Boolean(isWrong) || undefined}>
      <summary>${w.make.more}</summary>
      <div class="stack">
        ${all?.length > 1 && html`
          <div class="field">
            <label for="model">${w.make.model}</label>
            <select id="model" value=${model?.name} onChange=${(event) => onChange({ model: event.target.value, recipe: "" })}>
              ${all.map(({ name, description }) => html`<option value=${name}>${name}${description && ` – ${description}`}</option>`)}
            </select>
            <p class="wrong">${wrong.model}</p>
          </div>`}
        <div class="field">
          <label for="recipe">${w.make.recipe}</label>
          <select id="recipe" value=${recipe} onChange=${(event) => onChange({ recipe: event.target.value })}>
            ${Object.entries(model?.recipes || {}).reverse().map(([name, { personalize }]) => html`
              <option value=${name} selected=${name === recipe}>${w.make.recipeIs(name, personalize.steps, name === model.default_recipe)}</option>`)}
          </select>
          <p class="wrong">${wrong.recipe}</p>
        </div>
        <div class="field">
          <label for="seed">${w.make.seed}</label>
          <input id="seed" inputmode="numeric" value=${settings.seed} onInput=${(event) => onChange({ seed: event.target.value.trim() })}
            aria-invalid=${wrong.seed ? "true" : "false"} aria-describedby="seed-hint" />
          <p class=${wrong.seed ? "wrong" : "hint"} id="seed-hint">${wrong.seed || w.make.seedHint}</p>
        </div>
      </div>
    </details>`;
}

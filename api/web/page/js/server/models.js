// The models that can be used now.
import { askPatiently, pause } from "./client.js";
import { store } from "../store.js";

export const models = store(null);

export async function loadModels() {
  for (;;) {
    const found = await askPatiently("models");
    models.set(found);
    if (found.length) return;
    await pause(2000); // a worker that has just been started is still loading
  }
}

export const modelNamed = (all, name) => all?.find((model) => model.name === name) || all?.[0] || null;

// How tails of a recipe are used unless an edit says otherwise.
export const usageOf = (model, recipe) => (model ? (model.recipes[recipe] || model.recipes[model.default_recipe])?.edit : null);

// Where one is: "#/" or "#/tail_…".
import { store } from "./store.js";

function read() {
  const found = /^#\/(tail_[0-9a-f]{24})$/.exec(location.hash);
  return { tail: found ? found[1] : null };
}

export const route = store(read());
addEventListener("hashchange", () => route.set(read()));

export const addressOf = (tailId) => (tailId ? `#/${tailId}` : "#/");
export function go(tailId) {
  location.hash = addressOf(tailId);
}

// The page's language: the browser's, unless one has chosen another for the session.
import { keptLanguage } from "../memory.js";
import { store, useStore } from "../store.js";
import { de } from "./de.js";
import { en } from "./en.js";

const all = { en, de };
export const languages = [["en", "English"], ["de", "Deutsch"]];

const wanted = keptLanguage.read() || navigator.languages?.map((tag) => tag.slice(0, 2)).find((tag) => all[tag]);
export const language = store(all[wanted] ? wanted : "en");
const show = (tag) => (document.documentElement.lang = tag);
show(language.get());

export function choose(tag) {
  keptLanguage.write(tag);
  show(tag);
  language.set(tag);
}

export const words = () => all[language.get()];
export const useWords = () => all[useStore(language)];

const formatter = (make) => {
  const known = {};
  return (value) => (known[language.get()] ||= make(language.get())).format(value);
};
export const number = formatter((tag) => new Intl.NumberFormat(tag, { maximumFractionDigits: 2 }));
export const precise = formatter((tag) => new Intl.NumberFormat(tag, { maximumSignificantDigits: 2 }));
export const date = formatter((tag) => new Intl.DateTimeFormat(tag, { dateStyle: "medium", timeStyle: "short" }));
export function bytes(count) {
  const [value, unit] = count < 1e6 ? [count / 1e3, "KB"] : [count / 1e6, "MB"];
  return `${number(Math.max(0.1, Math.round(value * 10) / 10))} ${unit}`;
}

// What the browser keeps: ids for ever, the key and the language for the session. No picture and no prompt.
const LAST = "tailor.last";
const KEY = "tailor.key";
const LANGUAGE = "tailor.language";

function kept(storage, name) {
  return {
    read() {
      try {
        return storage().getItem(name);
      } catch {
        return null; // a browser that keeps nothing
      }
    },
    write(value) {
      try {
        if (value) storage().setItem(name, value);
        else storage().removeItem(name);
      } catch {
        // It is forgotten with the page, then.
      }
    },
  };
}

export const lastTail = kept(() => localStorage, LAST);
export const keptKey = kept(() => sessionStorage, KEY);
export const keptLanguage = kept(() => sessionStorage, LANGUAGE);

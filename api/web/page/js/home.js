// The first view: make a tail, and all that were made.
import { html, useEffect, useRef } from "./html.js";
import { Gallery } from "./keep/gallery.js";
import { Make } from "./make/make.js";
import { useWords } from "./words/words.js";

let first = true; // the page that is opened keeps the browser's own focus

export function Home() {
  const w = useWords();
  const heading = useRef();
  useEffect(() => {
    document.title = w.title;
  }, [w]);
  useEffect(() => {
    if (!first) heading.current.focus();
    first = false;
  }, []);
  return html`
    <div class="lede">
      <h1 ref=${heading} tabindex="-1">${w.lede.title}</h1>
      <p>${w.lede.text}</p>
    </div>
    <${Make} />
    <${Gallery} />`;
}

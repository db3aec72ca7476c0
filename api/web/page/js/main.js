// The page: what stands around the views, and which of them is shown.
import { html, render, useEffect, useErrorBoundary, useState } from "./html.js";
import { Home } from "./home.js";
import { lastTail } from "./memory.js";
import { Banners } from "./parts/banners.js";
import { KeyEntry } from "./parts/keyentry.js";
import { Icon } from "./parts/icons.js";
import { Toasts } from "./parts/toast.js";
import { addressOf, go, route } from "./route.js";
import { access, askPatiently, docs } from "./server/client.js";
import { hasEnded } from "./server/following.js";
import { loadModels } from "./server/models.js";
import { watchReadiness } from "./server/readiness.js";
import { useStore } from "./store.js";
import { TailPage } from "./tail/page.js";
import { choose, language, languages, useWords } from "./words/words.js";

function Top({ onKey }) {
  const w = useWords();
  const { key } = useStore(access);
  const now = useStore(language);
  return html`
    <header class="top">
      <a class="brand" href=${addressOf(null)}><img src="web/icon.svg" alt="" width="28" height="28" />Tailor</a>
      <nav aria-label=${w.nav.label}>
        ${key && html`<button type="button" class="button quiet small" onClick=${onKey}><${Icon} name="key" />${w.nav.key}</button>`}
        <a href=${docs}>${w.nav.docs}</a>
        <div class="segments" role="radiogroup" aria-label=${w.nav.language}>
          ${languages.map(([tag, name]) => html`
            <label lang=${tag} title=${name}>
              <input type="radio" name="language" value=${tag} checked=${now === tag} onChange=${() => choose(tag)} aria-label=${name} />
              <span aria-hidden="true">${tag.toUpperCase()}</span>
            </label>`)}
        </div>
      </nav>
    </header>`;
}

// A mistake of the page's own: nothing of what is learned or made depends on it.
function Broken() {
  const w = useWords();
  return html`
    <section class="gone stack" role="alert">
      <h1>${w.broken.title}</h1>
      <p class="soft">${w.broken.text}</p>
      <div class="row"><button type="button" class="button main" onClick=${() => location.reload()}>${w.broken.reload}</button></div>
    </section>`;
}

function App() {
  const w = useWords();
  const { tail } = useStore(route);
  const [keyAsked, setKeyAsked] = useState(false);
  const [broken] = useErrorBoundary((error) => console.error(error));
  useEffect(() => {
    if (tail) lastTail.write(tail);
    scrollTo(0, 0);
  }, [tail]);
  return html`
    <a class="skip" href="#main" onClick=${(event) => (event.preventDefault(), document.getElementById("main").focus())}>${w.skip}</a>
    <div class="page">
      <${Top} onKey=${() => setKeyAsked(true)} />
      <main id="main" tabindex="-1">${broken ? html`<${Broken} />` : tail ? html`<${TailPage} id=${tail} key=${tail} />` : html`<${Home} />`}</main>
    </div>
    <${KeyEntry} asked=${keyAsked} onClose=${() => setKeyAsked(false)} />
    <div class="below"><${Toasts} /><${Banners} /></div>`;
}

// Who comes back while it is still learned goes on where it was left.
async function goOn() {
  const last = lastTail.read();
  if (location.hash || !last) return;
  const job = await askPatiently(`jobs/${last.replace("tail_", "job_")}`).catch(() => null);
  if (job && !hasEnded(job) && !location.hash) go(last);
}

watchReadiness();
loadModels();
goOn();
render(html`<${App} />`, document.getElementById("app"));

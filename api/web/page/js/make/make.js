// The form that makes a tail: pictures, what they show, model and recipe.
import { html, useEffect, useRef, useState } from "../html.js";
import { ProblemNotice, explain, fieldOf } from "../parts/problem.js";
import { PromptInput, TokenCount, useTokens } from "../parts/prompt.js";
import { Waiting } from "../parts/waiting.js";
import { go } from "../route.js";
import { modelNamed, models } from "../server/models.js";
import { send } from "../server/sending.js";
import { useStore } from "../store.js";
import { useWords } from "../words/words.js";
import { fileToSend, letGo, readPicture, SMALLEST } from "./picture.js";
import { Settings } from "./settings.js";
import { Stage } from "./stage.js";

const DEFAULT_SIZE = 64; // until the model is known

export function Make() {
  const w = useWords();
  const all = useStore(models);
  const [pictures, setPictures] = useState([]);
  const [shown, setShown] = useState(0);
  const [fit, setFit] = useState("crop");
  const [prompt, setPrompt] = useState("");
  const [each, setEach] = useState(false);
  const [name, setName] = useState("");
  const [settings, setSettings] = useState({ model: "", recipe: "", seed: "" });
  const [wrong, setWrong] = useState({});
  const [sending, setSending] = useState(null);
  const promptInput = useRef();
  const model = modelNamed(all, settings.model);
  const recipe = model && (model.recipes[settings.recipe] ? settings.recipe : model.default_recipe);
  const limit = model && model.sequence_length - model.recipes[recipe].personalize.positions;
  const several = each && pictures.length > 1;
  const text = several ? pictures[shown]?.prompt ?? "" : prompt;
  const tokens = useTokens(model, text);

  const held = useRef(pictures);
  held.current = pictures;
  useEffect(() => () => held.current.forEach(letGo), []);

  const addFiles = async (files, words) => {
    setWrong({});
    for (const file of files) {
      try {
        const picture = await readPicture(file, words ?? prompt);
        if (Math.min(picture.width, picture.height) < SMALLEST) {
          letGo(picture);
          setWrong({ picture: w.make.tooSmall });
          continue;
        }
        setPictures((before) => [...before, picture]);
        setShown(held.current.length);
      } catch {
        setWrong({ picture: w.make.unreadable(file.name) });
      }
    }
    if (words) setPrompt(words);
    promptInput.current?.focus({ preventScroll: true });
  };
  const replace = (index, changes) => setPictures((before) => before.map((one, at) => (at === index ? { ...one, ...changes } : one)));
  const remove = (index) => {
    letGo(pictures[index]);
    setPictures(pictures.filter((_, at) => at !== index));
    setShown(Math.max(0, Math.min(shown, pictures.length - 2)));
  };
  const say = (value) => {
    setWrong({});
    if (several) replace(shown, { prompt: value });
    else setPrompt(value);
  };

  const refuse = (problem) => {
    const field = fieldOf(problem);
    const at = Number(/\[(\d+)\]/.exec(field)?.[1] ?? -1);
    if (at >= 0) setShown(at);
    const said = explain(problem, w) || problem.document.detail;
    if (field.startsWith("picture")) setWrong({ picture: said });
    else if (field.startsWith("prompt")) setWrong({ prompt: said });
    else if (field.startsWith("labels")) setWrong({ name: problem.document.detail });
    else if (["seed", "model", "recipe"].includes(field)) setWrong({ [field]: said });
    else setWrong({ all: problem });
  };

  const submit = async (event) => {
    event.preventDefault();
    if (sending) return;
    if (!pictures.length) return setWrong({ picture: w.make.needPicture });
    const blank = several ? pictures.findIndex((one) => !one.prompt.trim()) : prompt.trim() ? -1 : 0;
    if (blank >= 0) {
      setShown(several ? blank : shown);
      setWrong({ prompt: w.make.needPrompt });
      return promptInput.current.focus();
    }
    const stop = new AbortController();
    setSending({ stop });
    setWrong({});
    try {
      const job = await send("personalize", await form(), { signal: stop.signal, told: (waits) => setSending({ stop, waits }) });
      go(job.tail_id);
    } catch (error) {
      if (!stop.signal.aborted) refuse(error);
    }
    setSending(null);
  };
  const form = async () => {
    const body = new FormData();
    for (const picture of pictures) body.append("picture", await fileToSend(picture, fit), picture.file.name || "picture.png");
    for (const said of several ? pictures.map((one) => one.prompt) : [prompt]) body.append("prompt", said.trim());
    if (name.trim()) body.append("labels", JSON.stringify({ name: name.trim() }));
    for (const [field, value] of Object.entries(settings)) if (value) body.append(field, value);
    if (fit !== "crop") body.append("fit", fit);
    body.append("previews", "true");
    return body;
  };

  const promptWrong = wrong.prompt || (tokens !== null && limit && tokens > limit ? w.make.tokensLong(tokens, limit) : "");
  return html`
    <form class="card make" onSubmit=${submit} noValidate aria-label=${w.make.title}>
      <${Stage} pictures=${pictures} shown=${shown} fit=${fit} size=${model?.image_size || DEFAULT_SIZE} wrong=${wrong.picture}
        onFiles=${(files) => addFiles(files)} onSample=${(file, words) => addFiles([file], words)} onAway=${() => setWrong({ picture: w.banner.away })}
        onShow=${setShown} onRemove=${remove} onFit=${setFit} onSquare=${(square, moved = true) => replace(shown, { square, moved })} />
      <div class="stack ask">
        <div class="field">
          <div class="top-line">
            <label for="prompt">${several ? w.make.promptOf(shown + 1) : w.make.prompt}</label>
            <${TokenCount} tokens=${tokens} limit=${limit} />
          </div>
          <${PromptInput} id="prompt" value=${text} onInput=${say} wrong=${promptWrong} placeholder=${w.make.placeholder} describedBy="prompt-hint" inputRef=${promptInput} />
          <p class="wrong" id="prompt-wrong" role="alert">${promptWrong}</p>
          <p class="hint" id="prompt-hint">${w.make.hint} ${w.make.english}</p>
          ${pictures.length > 1 && html`
            <label class="check"><input type="checkbox" checked=${each} onChange=${(event) => setEach(event.target.checked)} />${w.make.each}</label>`}
        </div>
        <div class="field">
          <div class="top-line"><label for="name">${w.make.name}</label><span class="count">${w.make.optional}</span></div>
          <input id="name" value=${name} maxlength="100" autocomplete="off" placeholder="Rex" onInput=${(event) => setName(event.target.value)}
            aria-describedby="name-hint" aria-invalid=${wrong.name ? "true" : "false"} />
          <p class=${wrong.name ? "wrong" : "hint"} id="name-hint">${wrong.name || w.make.nameHint}</p>
        </div>
        <${Settings} all=${all} model=${model} recipe=${recipe} settings=${settings} wrong=${wrong} onChange=${(changes) => setSettings({ ...settings, ...changes })} />
        ${wrong.all && html`<${ProblemNotice} problem=${wrong.all} />`}
        ${sending?.waits && html`<${Waiting} waits=${sending.waits} onGiveUp=${() => (sending.stop.abort(), setSending(null))} />`}
        <div class="row"><button class="button main" aria-disabled=${sending ? "true" : "false"}>${sending && !sending.waits ? w.sending.now : w.make.learn}</button></div>
      </div>
    </form>`;
}

// Where pictures are dropped, chosen, pasted or taken, and cropped.
import { html, useEffect, useRef, useState } from "../html.js";
import { Icon } from "../parts/icons.js";
import { useWords } from "../words/words.js";
import { CropBox } from "./cropbox.js";
import { Eye } from "./eye.js";
import { centered, resized, SMALLEST } from "./picture.js";
import { Samples } from "./samples.js";

const TYPES = "image/jpeg,image/png,image/webp";
const isTouched = matchMedia("(pointer: coarse)").matches;
const imagesIn = (data) => [...(data?.files || [])].filter((file) => file.type.startsWith("image/") || /\.(jpe?g|png|webp)$/i.test(file.name));

function Chooser({ onFiles, capture, label, icon, class: name = "button" }) {
  const input = useRef();
  const onChange = (event) => {
    onFiles([...event.target.files]);
    event.target.value = "";
  };
  return html`
    <button type="button" class=${name} aria-label=${label} onClick=${() => input.current.click()}><${Icon} name=${icon} />${name === "button" && label}</button>
    <input ref=${input} type="file" accept=${TYPES} hidden multiple=${!capture} capture=${capture || undefined} onChange=${onChange} />`;
}

export function Stage({ pictures, shown, fit, size, wrong, onFiles, onShow, onSquare, onFit, onRemove, onSample, onAway }) {
  const w = useWords();
  const [over, setOver] = useState(false);
  useDropping(onFiles, setOver);
  const picture = pictures[shown];
  if (!picture) {
    return html`
      <div class=${`stage empty-stage ${over ? "over" : ""}`}>
        <div class="drop">
          <${Icon} name="picture" />
          <p>${over ? w.make.dropNow : w.make.drop}</p>
          <div class="row">
            <${Chooser} onFiles=${onFiles} label=${w.make.choose} icon="plus" />
            ${isTouched && html`<${Chooser} onFiles=${onFiles} capture="environment" label=${w.make.photograph} icon="camera" />`}
          </div>
        </div>
        <p class="wrong" role="alert" id="picture-wrong">${wrong}</p>
        <${Samples} onTake=${onSample} onFail=${onAway} />
      </div>`;
  }
  const shorter = Math.min(picture.width, picture.height);
  return html`
    <div class=${`stage ${over ? "over" : ""}`}>
      <${CropBox} picture=${picture} whole=${fit === "pad"} onSquare=${onSquare} />
      <p class="wrong" role="alert" id="picture-wrong">${wrong}</p>
      <div class="under">
        <div class="stack tight">
          <div class="row">
            <div class="segments" role="radiogroup" aria-label=${w.make.fit}>
              ${["crop", "pad"].map((each) => html`
                <label><input type="radio" name="fit" checked=${fit === each} onChange=${() => onFit(each)} /><span>${w.make[each]}</span></label>`)}
            </div>
            ${fit === "crop" && picture.moved && html`
              <button type="button" class="button quiet small" onClick=${() => onSquare(centered(picture.width, picture.height), false)}>${w.make.center}</button>`}
          </div>
          ${fit === "pad" ? html`<p class="small soft">${w.make.padHelp}</p>` : html`
            <label class="size"><span class="small soft">${w.make.size}</span>
              <input type="range" min=${Math.min(SMALLEST, shorter)} max=${shorter} step="any" value=${picture.square.size}
                aria-valuetext=${`${Math.round((picture.square.size / shorter) * 100)}%`}
                onInput=${(event) => onSquare(resized(picture, Number(event.target.value)))} />
            </label>
            <p class="small soft">${w.make.cropHelp}</p>`}
        </div>
        <${Eye} picture=${picture} fit=${fit} size=${size} />
      </div>
      <ul class="row thumbs" aria-label=${w.make.pictures}>
        ${pictures.map((each, index) => html`
          <li key=${each.id} class=${index === shown ? "thumb now" : "thumb"}>
            <button type="button" aria-label=${w.make.picture(index + 1)} aria-pressed=${index === shown ? "true" : "false"} onClick=${() => onShow(index)}><img src=${each.url} alt="" /></button>
            <button type="button" class="off" aria-label=${`${w.make.remove}: ${index + 1}`} onClick=${() => onRemove(index)}><${Icon} name="close" /></button>
          </li>`)}
        <li><${Chooser} onFiles=${onFiles} label=${w.make.add} icon="plus" class="thumb plus" /></li>
      </ul>
    </div>`;
}

// The whole window takes what is dropped or pasted.
function useDropping(onFiles, setOver) {
  const take = useRef();
  take.current = onFiles;
  useEffect(() => {
    const stop = new AbortController();
    const on = (name, act) => addEventListener(name, act, { signal: stop.signal });
    const holdsFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
    on("dragover", (event) => holdsFiles(event) && (event.preventDefault(), setOver(true)));
    on("dragleave", (event) => !event.relatedTarget && setOver(false));
    on("drop", (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      setOver(false);
      take.current([...event.dataTransfer.files]);
    });
    on("paste", (event) => {
      const files = imagesIn(event.clipboardData);
      if (files.length) take.current(files);
    });
    return () => stop.abort();
  }, []);
}

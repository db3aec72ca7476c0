// A picture with the square of it that is wanted: dragged, or moved with the keys.
import { html, useId, useRef } from "../html.js";
import { useWords } from "../words/words.js";
import { resized, within } from "./picture.js";

const percent = (value) => Math.round(value * 100);
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function CropBox({ picture, whole, onSquare }) {
  const w = useWords();
  const frame = useRef();
  const id = useId();
  const { width, height, square } = picture;
  const change = (next) => onSquare(within(picture, next));

  const grab = (event, resizing) => {
    event.preventDefault();
    event.stopPropagation();
    event.currentTarget.setPointerCapture(event.pointerId);
    event.currentTarget.closest(".square").focus();
    const scale = width / frame.current.getBoundingClientRect().width;
    const start = { x: event.clientX, y: event.clientY, square };
    const target = event.currentTarget;
    const move = (now) => {
      const dx = (now.clientX - start.x) * scale;
      const dy = (now.clientY - start.y) * scale;
      const { x, y, size } = start.square;
      if (!resizing) return change({ x: x + dx, y: y + dy, size });
      const most = Math.min(width - x, height - y);
      return change({ x, y, size: Math.min(size + Math.max(dx, dy), most) });
    };
    target.addEventListener("pointermove", move);
    target.addEventListener("lostpointercapture", () => target.removeEventListener("pointermove", move), { once: true });
  };

  const onKeyDown = (event) => {
    const step = Math.max(1, Math.min(width, height) * (event.shiftKey ? 0.1 : 0.02));
    if (KEYS[event.key]) {
      const [x, y] = KEYS[event.key];
      change({ ...square, x: square.x + x * step, y: square.y + y * step });
    } else if (event.key === "+" || event.key === "=") onSquare(resized(picture, square.size + step));
    else if (event.key === "-") onSquare(resized(picture, square.size - step));
    else return;
    event.preventDefault();
  };

  const place = {
    left: `${(square.x / width) * 100}%`, top: `${(square.y / height) * 100}%`,
    width: `${(square.size / width) * 100}%`, height: `${(square.size / height) * 100}%`,
  };
  const at = w.make.cropAt(percent(square.x / width), percent(square.y / height), percent(square.size / Math.min(width, height)));
  return html`
    <div class="crop">
      <div class="frame" ref=${frame} style=${{ aspectRatio: `${width} / ${height}`, width: `${Math.min(1, width / height) * 100}%` }}>
        <img src=${picture.url} alt=${w.make.picture(1)} draggable=${false} />
        ${!whole && html`
          <div class="square" tabindex="0" role="application" aria-label=${`${w.make.cropBox}: ${at}`} aria-describedby=${id} style=${place}
            onKeyDown=${onKeyDown} onPointerDown=${(event) => grab(event, false)}>
            <span class="handle" onPointerDown=${(event) => grab(event, true)}></span>
          </div>`}
      </div>
    </div>
    <p class="hidden" id=${id}>${w.make.cropHelp}</p>`;
}

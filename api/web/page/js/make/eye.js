// A picture as the model will see it: square, and with few pixels.
import { html, useLayoutEffect, useRef } from "../html.js";
import { useWords } from "../words/words.js";

export function Eye({ picture, fit, size }) {
  const w = useWords();
  const canvas = useRef();
  const { square, image, width, height } = picture;
  useLayoutEffect(() => {
    const context = canvas.current.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, size, size);
    if (fit === "crop") return context.drawImage(image, square.x, square.y, square.size, square.size, 0, 0, size, size);
    const scale = size / Math.max(width, height);
    const [inner, outer] = [width * scale, height * scale];
    context.drawImage(image, 0, 0, size, size); // stretched, blurred by its size: about the color of its edges
    context.fillStyle = edgeColor(context, size);
    context.fillRect(0, 0, size, size);
    return context.drawImage(image, (size - inner) / 2, (size - outer) / 2, inner, outer);
  }, [picture, square, fit, size]);
  return html`
    <figure class="eye">
      <canvas ref=${canvas} width=${size} height=${size} role="img" aria-label=${w.make.seen(size)}></canvas>
      <figcaption class="small soft">${w.make.seen(size)}</figcaption>
    </figure>`;
}

// The mean color of the outermost pixels, with which the server fills up.
function edgeColor(context, size) {
  const { data } = context.getImageData(0, 0, size, size);
  const sum = [0, 0, 0];
  let pixels = 0;
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x += y % (size - 1) === 0 ? 1 : size - 1) {
      for (let channel = 0; channel < 3; channel++) sum[channel] += data[4 * (y * size + x) + channel];
      pixels++;
    }
  }
  return `rgb(${sum.map((value) => Math.round(value / pixels)).join(" ")})`;
}

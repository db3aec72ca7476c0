// A chosen picture: its file, its size, and the square of it that is wanted.
const LARGEST = 1024; // pixels a side of what is cropped here; the model sees fewer
export const SMALLEST = 16;

let count = 0;

// Throws if the browser can't decode it.
export async function readPicture(file, prompt = "") {
  const url = URL.createObjectURL(file);
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
  } catch (error) {
    URL.revokeObjectURL(url);
    throw error;
  }
  const { naturalWidth: width, naturalHeight: height } = image; // upright: browsers turn it as EXIF says
  return { id: ++count, file, url, image, width, height, prompt, square: centered(width, height), moved: false };
}

export const letGo = (picture) => URL.revokeObjectURL(picture.url);

// What the server takes by itself: the center square.
export function centered(width, height, size = Math.min(width, height)) {
  return { x: (width - size) / 2, y: (height - size) / 2, size };
}

// The square, kept within the picture.
export function within({ width, height }, { x, y, size }) {
  const fits = Math.min(Math.max(size, Math.min(SMALLEST, width, height)), width, height);
  const keep = (value, most) => Math.min(Math.max(value, 0), most);
  return { x: keep(x, width - fits), y: keep(y, height - fits), size: fits };
}

// Around its own center, larger or smaller.
export function resized(picture, size) {
  const { x, y, size: before } = picture.square;
  const now = Math.min(size, picture.width, picture.height);
  return within(picture, { x: x + (before - now) / 2, y: y + (before - now) / 2, size: now });
}

// The file as it is sent: the chosen one, unless a square was chosen that the server would not take by itself.
export function fileToSend(picture, fit) {
  if (fit === "pad" || !picture.moved) return Promise.resolve(picture.file);
  const { x, y, size } = picture.square;
  const side = Math.round(Math.min(size, LARGEST));
  const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // as the server lays alpha on white
  context.fillRect(0, 0, side, side);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture.image, x, y, size, size, 0, 0, side, side);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

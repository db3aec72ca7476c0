// Line drawings, 24 by 24; decoration only, words stand beside them.
import { html } from "../html.js";

const paths = {
  picture: "M4 5h16v14H4zM4 16l4.5-4.5 4 4 2.5-2.5L20 18M15.5 9.5h.01",
  camera: "M4 8h3.5l1.5-2.5h6L16.5 8H20v11H4zM12 16.5a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.4",
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6 6 18",
  again: "M19 12a7 7 0 1 1-2.2-5.1L19 9M19 4.5V9h-4.5",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l.8 12.5h8.4L17 7M10.5 11v5M13.5 11v5",
  download: "M12 4.5v10M7.5 10.5 12 15l4.5-4.5M5 19.5h14",
  compare: "M12 4v16M4.5 6.5H9v11H4.5zM15 6.5h4.5v11H15z",
  code: "M9 7.5 4.5 12 9 16.5M15 7.5l4.5 4.5-4.5 4.5",
  left: "M14.5 6 8.5 12l6 6",
  right: "M9.5 6l6 6-6 6",
  warn: "M12 4 3 19.5h18zM12 10v4.5M12 17h.01",
  cloud: "M7 18.5h10a3.8 3.8 0 0 0 .6-7.55 5.6 5.6 0 0 0-10.8 1A3.4 3.4 0 0 0 7 18.5M4 4l16 16",
  key: "M14.5 9.5a4 4 0 1 0-3.6 3.98L12.5 15H15v2.5h2.5V20H20v-3l-5.8-5.8",
  clock: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16M12 7.5V12l3 2",
  sliders: "M5 8h8M17 8h2M5 16h2M11 16h8M15 10.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4M9 18.2a2.2 2.2 0 1 0 0-4.4 2.2 2.2 0 0 0 0 4.4",
  pen: "M5 19l1-4L16 5l3 3L9 18z",
  stop: "M7 7h10v10H7z",
};

export const Icon = ({ name }) => html`
  <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">
    <path d=${paths[name]} />
  </svg>`;

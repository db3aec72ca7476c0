// An error of the server in a person's words, with what to do; what the server said stands below.
import { html } from "../html.js";
import { useWords } from "../words/words.js";
import { Icon } from "./icons.js";

// `problem` is a Problem, or the `error` of a job: {type, title, detail}.
export function explain(problem, w) {
  const document = problem.document || problem;
  const type = String(document.type || "").replace("urn:tailor:problem:", "");
  const said = w.problem[type];
  if (typeof said === "function") return said(document) || null;
  if (said && typeof said === "object") return said[document.reason] || w.problem.other;
  return said || null;
}

export const fieldOf = (problem) => problem?.document?.field || "";

export function ProblemText({ problem }) {
  const w = useWords();
  const said = explain(problem, w);
  const detail = (problem.document || problem).detail;
  return html`
    <span>${said || detail || w.problem.other}</span>
    ${said && detail && html`<details><summary>${w.problem.details}</summary><span class="soft">${detail}</span></details>`}`;
}

export const ProblemNotice = ({ problem, title, children }) => html`
  <div class="notice bad" role="alert">
    <${Icon} name="warn" />
    <div>${title && html`<strong>${title}</strong>`}<${ProblemText} problem=${problem} />${children}</div>
  </div>`;

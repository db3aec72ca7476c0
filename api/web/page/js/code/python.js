// A request in Python.
import { fields } from "./curl.js";

// JSON as Python writes it.
export function literal(value, indent = "") {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value);
  const deeper = `${indent}    `;
  if (Array.isArray(value)) return `[${value.map((each) => literal(each, deeper)).join(", ")}]`;
  const lines = Object.entries(value).map(([name, each]) => `${deeper}${JSON.stringify(name)}: ${literal(each, deeper)},`);
  return `{\n${lines.join("\n")}\n${indent}}`;
}

// httpx repeats a form's field for a list of values.
function formFields(body) {
  const all = {};
  for (const [name, value] of fields(body)) all[name] = name in all ? [].concat(all[name], value) : value;
  return all;
}

export function python({ url, path, body, pictures, key, file }) {
  const headers = key ? '{"Prefer": "wait=60", "Authorization": f"Bearer {os.environ[\'TAILOR_API_KEY\']}"}' : '{"Prefer": "wait=60"}';
  const names = Array.from({ length: pictures || 0 }, (_, i) => `picture${pictures > 1 ? `-${i + 1}` : ""}.png`);
  const sent = pictures
    ? `files=[${names.map((name) => `("picture", open("${name}", "rb"))`).join(", ")}],\n    data=${literal(formFields(body), "    ")},`
    : `json=${literal(body, "    ")},`;
  const then = pictures
    ? 'print(job["tail_id"])'
    : `with open("${file}", "wb") as picture:\n    picture.write(httpx.get(job["results"][0]["url"]).content)`;
  return `${key ? "import os\n\n" : ""}import httpx

answer = httpx.post(
    "${url}${path}",
    headers=${headers},
    ${sent}
    timeout=90,
)
job = answer.raise_for_status().json()
${then}
`;
}

// A request in JavaScript, as Node and browsers know it.
import { fields } from "./curl.js";

const indented = (value, by) => JSON.stringify(value, null, 2).replaceAll("\n", `\n${by}`);

export function javascript({ url, path, body, pictures, key, file }) {
  const authorization = key ? ", Authorization: `Bearer ${process.env.TAILOR_API_KEY}`" : "";
  const head = `const answer = await fetch("${url}${path}", {\n  method: "POST",`;
  const tail = `});\nif (!answer.ok) throw new Error((await answer.json()).detail);\nconst job = await answer.json();\n`;
  if (!pictures) {
    return `import { writeFile } from "node:fs/promises";

${head}
  headers: { "Content-Type": "application/json", Prefer: "wait=60"${authorization} },
  body: JSON.stringify(${indented(body, "  ")}),
${tail}
const picture = await fetch(job.results[0].url);
await writeFile("${file}", Buffer.from(await picture.arrayBuffer()));
`;
  }
  const appended = Array.from({ length: pictures }, (_, i) => `form.append("picture", await openAsBlob("picture${pictures > 1 ? `-${i + 1}` : ""}.png"));`);
  for (const [name, value] of fields(body)) appended.push(`form.append(${JSON.stringify(name)}, ${JSON.stringify(value)});`);
  return `import { openAsBlob } from "node:fs";

const form = new FormData();
${appended.join("\n")}

${head}
  headers: { Prefer: "wait=60"${authorization} },
  body: form,
${tail}console.log(job.tail_id);
`;
}

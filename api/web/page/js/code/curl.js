// A request as a line for the shell. What -F would read as a file or as more fields, --form-string takes as it is.
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

export function curl({ url, path, body, pictures, key, file }) {
  const lines = [`curl -sS -X POST ${quoted(`${url}${path}`)}`, "-H 'Prefer: wait=60'"];
  if (key) lines.push('-H "Authorization: Bearer $TAILOR_API_KEY"');
  if (pictures) {
    for (let i = 1; i <= pictures; i++) lines.push(`-F picture=@picture${pictures > 1 ? `-${i}` : ""}.png`);
    for (const [name, value] of fields(body)) lines.push(`--form-string ${quoted(`${name}=${value}`)}`);
  } else {
    lines.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(body, null, 2).replaceAll("\n", "\n  "))}`);
  }
  lines.push("-o job.json");
  const then = pictures
    ? `grep -o 'tail_[0-9a-f]\\{24\\}' job.json | head -n 1`
    : `curl -sS "$(grep -o '"url":"[^"]*"' job.json | head -n 1 | cut -d '"' -f 4)" -o ${file}`;
  return `${lines.join(" \\\n  ")}\n\n${then}\n`;
}

// A form's fields: a list is repeated, an object is its JSON.
export function fields(body) {
  return Object.entries(body).flatMap(([name, value]) => {
    if (Array.isArray(value)) return value.map((each) => [name, String(each)]);
    return [[name, typeof value === "object" ? JSON.stringify(value) : String(value)]];
  });
}

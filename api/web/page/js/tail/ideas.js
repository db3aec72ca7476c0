// Prompts that go with what a source picture shows: its noun in other poses, places and styles.
const NOUN = /\b(?:an?|the)\s+(?:\w+ing\s+)?([a-z]+)\b/i;

export function ideasFor(prompt) {
  const noun = NOUN.exec(prompt)?.[1]?.toLowerCase();
  if (!noun) return [];
  return [`a sitting ${noun} on the beach`, `a running ${noun} in the snow`, `a watercolor painting of a ${noun}`, `a sleeping ${noun} at night`];
}

import type { Change, ChangePart } from "../store.js";

/** Names that a change mentions: the answer shows each. */
export function namesIn({ parts }: Change): readonly string[] {
  const [only] = parts;
  // Mostly it is one, for which a set costs too much.
  return parts.length === 1 && only !== undefined ? namesOf(only) : [...new Set(parts.flatMap(namesOf))];
}

function namesOf(part: ChangePart): readonly string[] {
  return part.kind === "rename" ? [part.name, part.to] : [part.name];
}

/** Whether the change gives its holder something that must end with the holder's process. */
export function needsLife({ parts }: Change): boolean {
  return parts.some((part) => part.kind === "enqueue" || (part.kind === "put" && part.write.lock?.kind === "grant"));
}

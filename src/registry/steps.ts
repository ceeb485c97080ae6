import type { ChangePart, Store } from "../stores/store.js";

/** The parts in as few changes as the store takes, in their order. */
export function stepsOf(parts: readonly ChangePart[], { capabilities }: Store): readonly (readonly ChangePart[])[] {
  const max = capabilities.partsMax ?? parts.length;
  const steps: (readonly ChangePart[])[] = [];
  for (let from = 0; from < parts.length; from += max) steps.push(parts.slice(from, from + max));
  return steps;
}

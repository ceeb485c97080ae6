import type { Holder } from "../core/entry.js";
import { RegistryError } from "../core/errors.js";
import { quoteName } from "../core/name.js";
import type { ChangePart, CommitResult, Store } from "../stores/store.js";

const NAMES_TOLD_MAX = 3;

/**
 * One conditional write, whose outcome is known.
 *
 * @throws RegistryError `outcome-unknown`, for the caller to look before it repeats anything
 */
export async function commit(
  store: Store,
  holder: Holder,
  parts: readonly ChangePart[],
): Promise<Exclude<CommitResult, { readonly kind: "unknown" }>> {
  const result = await store.commit({ holder, parts });
  if (result.kind !== "unknown") return result;
  const names = parts.slice(0, NAMES_TOLD_MAX).map(({ name }) => quoteName(name));
  const others = parts.length > NAMES_TOLD_MAX ? ` and ${parts.length - NAMES_TOLD_MAX} more` : "";
  throw new RegistryError(
    "outcome-unknown",
    `Whether the change to ${names.join(", ")}${others} was written is not known. Look before you repeat it.`,
    { cause: result.cause },
  );
}

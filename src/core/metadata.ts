import type { JsonObject } from "./entry.js";
import { NameholdError } from "./errors.js";
import { formatJson } from "./text/json-format.js";

/** The most that one call may write as metadata, in characters of JSON text. */
const METADATA_LENGTH_MAX = 1024 * 1024;

/**
 * Metadata are looked at before anything is written: one value that cannot be written must cost nothing else.
 *
 * @throws NameholdError `invalid-input`, naming the value
 */
export function checkMetadata(metadata: unknown): asserts metadata is JsonObject {
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) {
    throw new NameholdError("invalid-input", "Metadata must be an object of JSON values.");
  }
  const { length } = formatJson(metadata as JsonObject);
  if (length <= METADATA_LENGTH_MAX) return;
  throw new NameholdError(
    "invalid-input",
    `The metadata are ${length} characters of JSON; at most ${METADATA_LENGTH_MAX} are allowed. Keep large data elsewhere, and a reference to it here.`,
  );
}

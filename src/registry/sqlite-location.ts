import { NameholdError } from "../core/errors.js";

export interface SqliteLocation {
  readonly path: string;
  readonly durability: "identity" | "full";
}

const DURABILITIES = ["identity", "full"] as const;

/**
 * `sqlite:PATH`, or `sqlite:///ABSOLUTE/PATH` with percent signs as in any URL; `?durability=full` after either.
 *
 * @param expand makes `~` a home directory
 * @throws NameholdError `invalid-input`
 */
export function parseSqliteLocation(location: string, expand: (path: string) => string): SqliteLocation {
  const [, place = "", query] = /^sqlite:([^?]*)(?:\?(.*))?$/is.exec(location) ?? [];
  const path = place.startsWith("//") ? urlPath(location, place) : expand(place);
  if (path === "") throw invalid(location, "names no file: sqlite:PATH");
  const { durability = "identity", ...others } = Object.fromEntries(new URLSearchParams(query));
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw invalid(location, `has the parameter ${unknown}, but there is only durability`);
  const known = DURABILITIES.find((one) => one === durability);
  if (known === undefined)
    throw invalid(location, `asks for durability ${durability}: it is one of ${DURABILITIES.join(", ")}`);
  return { path, durability: known };
}

function urlPath(location: string, place: string): string {
  if (!place.startsWith("///"))
    throw invalid(location, "names a host: write sqlite:PATH, or sqlite:///PATH for an absolute one");
  try {
    return decodeURIComponent(place.slice(2));
  } catch (cause) {
    throw invalid(location, "is no valid URL", cause);
  }
}

function invalid(location: string, problem: string, cause?: unknown): NameholdError {
  return new NameholdError("invalid-input", `The location ${JSON.stringify(location)} ${problem}.`, { cause });
}

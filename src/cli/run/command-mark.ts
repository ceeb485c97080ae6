/**
 * How processes of a command are known by their environment: `NAMEHOLD_CHAIN` has a mark for each `namehold run` around
 * them, the outermost first. An inner run overwrites NAMEHOLD_NAME and its kin, and adds to this.
 */
export const CHAIN_VARIABLE = "NAMEHOLD_CHAIN";

export function commandMark(id: string, token: number): string {
  return `${id}/${token}`;
}

export function marksOf(chain: string | undefined): readonly string[] {
  return chain === undefined || chain === "" ? [] : chain.split(" ");
}

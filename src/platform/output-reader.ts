import { host } from "./host.js";

/**
 * Whether nobody is left who could read what is written to this pipe, socket or terminal. Nothing is written to find out.
 *
 * @returns false as well where the platform cannot tell
 */
export function hasLostReader(fd: number): boolean {
  return host().hasLostReader(fd);
}

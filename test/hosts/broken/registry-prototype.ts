import { openRegistry, type Registry } from "namehold";

/** What all registries of this process share, for modules that break it. A registry that is not used makes no file. */
export const registryPrototype = Object.getPrototypeOf(await openRegistry("unused.json")) as Registry;

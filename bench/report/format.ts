import type { Unit } from "../harness/row.ts";

/** Three figures, and the unit that fits. */
export function format(value: number | string | null | undefined, unit: Unit): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  switch (unit) {
    case "us":
      return micros(value);
    case "ms":
      return micros(value * 1_000);
    case "s":
      return micros(value * 1_000_000);
    case "times":
      return `${figures(value)} ×`;
    case "per-second":
      return `${figures(value)}/s`;
    case "percent":
      return `${figures(value)} %`;
    case "count":
      return grouped(value);
    case "bytes":
      return bytes(value);
    case "text":
      return String(value);
    default:
      return unit satisfies never;
  }
}

export function micros(us: number): string {
  if (us < 1_000) return `${figures(us)} µs`;
  if (us < 1_000_000) return `${figures(us / 1_000)} ms`;
  return `${figures(us / 1_000_000)} s`;
}

function bytes(count: number): string {
  if (count < 1_000) return `${figures(count)} B`;
  if (count < 1_000_000) return `${figures(count / 1_000)} kB`;
  return `${figures(count / 1_000_000)} MB`;
}

function figures(value: number): string {
  if (value === 0) return "0";
  const magnitude = Math.abs(value);
  if (magnitude >= 100) return grouped(Math.round(value));
  return value.toFixed(magnitude >= 10 ? 1 : 2);
}

function grouped(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 0 });
}

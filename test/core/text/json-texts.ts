import fc from "fast-check";

/** JSON texts as nobody would write them, but as Python accepts them. */

const space = fc.string({ unit: fc.constantFrom(" ", "\n", "\t", "\r"), maxLength: 3 });

const stringUnit = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(..."aA0 {}[]:,/é\u2028\u007f\ud800") },
  { weight: 2, arbitrary: fc.constantFrom('\\"', "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t") },
  { weight: 1, arbitrary: fc.constantFrom("\\u00e9", "\\uD83D\\udE00", "\\ud800", "\\u0000", "\\u0022") },
);

const stringText = fc.array(stringUnit, { maxLength: 6 }).map((units) => `"${units.join("")}"`);

const scalarText = fc.oneof(
  stringText,
  fc.constantFrom("null", "true", "false", "NaN", "Infinity", "-Infinity"),
  fc.constantFrom("0", "-0", "1.0", "1e400", "-1E-05", "12345678901234567890123", "0.1e+1"),
  fc.integer().map(String),
);

const padded = (text: fc.Arbitrary<string>) => fc.tuple(space, text, space).map((parts) => parts.join(""));

const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    scalarText,
    fc.oneof(
      space.map((inner) => `[${inner}]`),
      fc.array(padded(tie("value")), { minLength: 1, maxLength: 3 }).map((items) => `[${items.join(",")}]`),
      space.map((inner) => `{${inner}}`),
      fc
        .array(fc.tuple(padded(stringText), padded(tie("value"))), { minLength: 1, maxLength: 3 })
        .map((members) => `{${members.map((member) => member.join(":")).join(",")}}`),
    ),
  ),
}));

export const jsonText: fc.Arbitrary<string> = padded(value);

/** An object from members with chosen names, in any order, with other members between them. */
function objectText(named: readonly (readonly [name: string, text: fc.Arbitrary<string>])[]): fc.Arbitrary<string> {
  const others = fc.array(fc.tuple(stringText, value), { maxLength: 3 });
  return fc
    .tuple(fc.tuple(...named.map(([name, text]) => fc.tuple(fc.constant(JSON.stringify(name)), text))), others)
    .chain(([known, unknown]) => {
      const members = [...unknown.filter(([key]) => !known.some(([name]) => name === key)), ...known];
      return fc.tuple(
        fc.shuffledSubarray(members, { minLength: members.length }),
        fc.array(space, { minLength: members.length * 4, maxLength: members.length * 4 }),
        space,
      );
    })
    .map(([members, spaces, empty]) => {
      const [a, b, c, d] = [0, 1, 2, 3].map((part) => members.map((_, index) => spaces[index * 4 + part] ?? ""));
      const texts = members.map(
        ([key, text], index) => `${a?.[index]}${key}${b?.[index]}:${c?.[index]}${text}${d?.[index]}`,
      );
      return `{${members.length === 0 ? empty : texts.join(",")}}`;
    });
}

const time = fc.constantFrom('"2026-11-23T12:00:00.123456Z"', '"2026-11-23 12:00:00"', "1700000000", "1.7e9");

const lockText = objectText([
  ["holder_pid", fc.constantFrom("4711", "4711.0")],
  ["holder_host", stringText],
  ["holder_instance", stringText],
  ["acquired_at", time],
  ["heartbeat_at", time],
  ["expires_at", time],
]);

export const metadataText: fc.Arbitrary<string> = objectText([]);

export const entryText: fc.Arbitrary<string> = objectText([
  ["id", stringText],
  ["component_type", fc.constantFrom('"node"', '"workcell"')],
  ["created_at", time],
  ["last_seen", time],
  ["metadata", metadataText],
  ["lock", fc.oneof(lockText, fc.constant("null"))],
  ["workcell_id", fc.oneof(stringText, fc.constant("null"))],
]);

/** A registry, and for each of its entries where its text lies. Names may be equal. */
export interface RegistryText {
  readonly text: string;
  readonly entries: readonly { readonly name: string; readonly start: number; readonly end: number }[];
}

const names = fc.array(fc.oneof(stringText, fc.constantFrom('""', '"__proto__"', '"10"', '"2"', '"same"')), {
  maxLength: 5,
});

export const registryText: fc.Arbitrary<RegistryText> = fc
  .tuple(
    names.chain((keys) =>
      fc.tuple(...keys.map((key) => fc.tuple(fc.constant(key), entryText, fc.tuple(space, space, space, space)))),
    ),
    fc.array(fc.tuple(stringText, value), { maxLength: 2 }),
    fc.tuple(space, space, space),
    fc.boolean(),
  )
  .map(([members, others, [outer, empty, end], entriesFirst]) => {
    const entries: { name: string; start: number; end: number }[] = [];
    const unknown = others.filter(([key]) => !key.includes("entries")).map(([key, text]) => `${outer}${key}: ${text}`);
    let text = `${outer}{${(entriesFirst ? [] : unknown).map((member) => `${member},`).join("")}"entries"${empty}:{`;
    for (const [index, [key, body, [a, b, c, d]]] of members.entries()) {
      text += `${index === 0 ? "" : ","}${a}${key}${b}:${c}`;
      entries.push({ name: JSON.parse(key) as string, start: text.length, end: text.length + body.length });
      text += body + d;
    }
    text += `${members.length === 0 ? empty : ""}}`;
    text += `${(entriesFirst ? unknown : []).map((member) => `,${member}`).join("")}${empty}}${end}`;
    return { text, entries };
  });

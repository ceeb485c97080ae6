/** JSON down to the letter, but for white space and the spelling of strings: numbers are text, members keep their order. */
export type Letters =
  | string
  | readonly Letters[]
  | { readonly members: readonly (readonly [key: string, value: Letters])[] };

export function lettersOf(json: string): Letters {
  // It is JSON or it fails here, so that what follows need not look.
  JSON.parse(json);
  const tokens = json.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g) ?? [];
  return nextValue(tokens[Symbol.iterator]());
}

/** An object's members in their order, without some of them. */
export function membersOf(letters: Letters | undefined, ...without: readonly string[]): ReadonlyMap<string, Letters> {
  if (typeof letters !== "object" || !("members" in letters)) throw new TypeError("not an object");
  return new Map(letters.members.filter(([key]) => !without.includes(key)));
}

function nextValue(tokens: Iterator<string>): Letters {
  const token = next(tokens);
  if (token === "[") return nextList(tokens);
  if (token === "{") return nextObject(tokens);
  return token.startsWith('"') ? JSON.stringify(JSON.parse(token)) : token;
}

function nextList(tokens: Iterator<string>): Letters {
  const items: Letters[] = [];
  for (let token = next(tokens); token !== "]"; token = next(tokens)) {
    if (token !== ",") items.push(nextValue(startingWith(token, tokens)));
  }
  return items;
}

function nextObject(tokens: Iterator<string>): Letters {
  const members: (readonly [string, Letters])[] = [];
  for (let token = next(tokens); token !== "}"; token = next(tokens)) {
    if (token === ",") continue;
    next(tokens);
    members.push([JSON.parse(token) as string, nextValue(tokens)]);
  }
  return { members };
}

function startingWith(first: string, rest: Iterator<string>): Iterator<string> {
  let used = false;
  return {
    next: () => {
      if (used) return rest.next();
      used = true;
      return { value: first, done: false };
    },
  };
}

function next(tokens: Iterator<string>): string {
  const { value } = tokens.next() as { value: string };
  return value;
}

import { findInEntries } from "../../../core/entry-findings.js";
import type { Check } from "../../../core/finding.js";
import { shellWord } from "../../../core/shell-word.js";
import { type Examination, soundDocument } from "./examination.js";

/** Whether each name is one component, and Python can read them all. */
export const namesCheck: Check<Examination> = {
  check: "names",
  title: "Names and IDs",
  examine: (examination) => {
    const document = soundDocument(examination);
    if (document === undefined)
      return { looked: "not looked at: the registry cannot be read or is damaged", findings: [] };
    const entries = [...document.names()].map((name) => ({ name, text: document.entryText(name) ?? "" }));
    const path = shellWord(examination.path);
    const byHand = `Correct the file by hand while all components are stopped: cp ${path} ${path}.before; "\${EDITOR:-vi}" ${path}`;
    return {
      looked: `${entries.length} name${entries.length === 1 ? "" : "s"}`,
      findings: findInEntries(entries, { byHand, option: examination.option }),
    };
  },
};

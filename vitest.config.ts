import { defineConfig, type TestProjectConfiguration } from "vitest/config";

/** The slow suites, each in its own folder of test/ with its own npm script. All else is fast: what `npm test` runs. */
const SLOW_SUITES = ["interop", "package"];

export default defineConfig({
  test: {
    retry: 0,
    allowOnly: false,
    // Half of them wait for processes and clocks most of the time.
    maxWorkers: 2,
    projects: [
      suite("fast", ["test/**/*.test.ts"], { excludeFolders: SLOW_SUITES, timeoutMs: 20_000 }),
      ...SLOW_SUITES.map((name) => suite(name, [`test/${name}/**/*.test.ts`], { timeoutMs: 180_000 })),
    ],
  },
});

interface SuiteOptions {
  readonly excludeFolders?: readonly string[];
  /** A test that hangs is a finding, not a reason to wait. */
  readonly timeoutMs: number;
}

function suite(name: string, include: string[], options: SuiteOptions): TestProjectConfiguration {
  return {
    extends: true,
    test: {
      name,
      include,
      exclude: (options.excludeFolders ?? []).map((folder) => `test/${folder}/**`),
      testTimeout: options.timeoutMs,
      hookTimeout: options.timeoutMs,
    },
  };
}

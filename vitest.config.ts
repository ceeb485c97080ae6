import { defineConfig, type TestProjectConfiguration } from "vitest/config";

/** The slow suites, each in its own folder of test/ with its own npm script. All else is fast: what `npm test` runs. */
const SLOW_SUITES = { cli: 60_000, interop: 180_000, package: 180_000, postgres: 60_000, etcd: 60_000 };

export default defineConfig({
  test: {
    retry: 0,
    allowOnly: false,
    // Half of them wait for processes and clocks most of the time.
    maxWorkers: 2,
    projects: [
      suite("fast", ["test/**/*.test.ts"], { excludeFolders: Object.keys(SLOW_SUITES), timeoutMs: 20_000 }),
      ...Object.entries(SLOW_SUITES).map(([name, timeoutMs]) =>
        suite(name, [`test/${name}/**/*.test.ts`], { timeoutMs }),
      ),
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

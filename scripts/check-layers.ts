import { layerProblems } from "./layer-rules.ts";
import { sourceFiles } from "./source-files.ts";

/** Fails when a file of src/ breaks the order of the layers or takes time or chance from elsewhere than src/platform/. */
const files = sourceFiles("src/**/*.ts");
const problems = files.flatMap(layerProblems);
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;
else console.log(`layers: ${files.length} files in order`);

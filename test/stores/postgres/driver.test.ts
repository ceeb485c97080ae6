import { expect, test } from "vitest";
import { loadDriver } from "../../../src/stores/postgres/driver.js";

test("without pg the error says how to install it [G11]", async () => {
  const missing = Object.assign(new Error("Cannot find package 'pg'"), { code: "ERR_MODULE_NOT_FOUND" });
  await expect(loadDriver(() => Promise.reject(missing))).rejects.toMatchObject({
    code: "unsupported",
    message: expect.stringContaining("npm install pg"),
  });
  await expect(loadDriver(() => Promise.reject(new Error("broken")))).rejects.toMatchObject({
    code: "unsupported",
    message: expect.stringContaining("broken"),
  });
});

// That a server survives partial reads, as a test of Node's own runner: node --test
// UNSTICK names the program, where it is not on the PATH.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const server = fileURLToPath(new URL("server.mjs", import.meta.url));

test("the server survives every cut", () => {
  const words = ["--to", ":0", "--start", `node ${server} {port}`, "-f", "u32be", "--send", "hello", "--json"];
  const { stdout, stderr } = spawnSync(process.env.UNSTICK ?? "unstick", ["shake", ...words], { encoding: "utf8" });
  const report = stdout ? JSON.parse(stdout) : {};
  const [found] = report.findings ?? [];
  assert.equal(report.verdict, "same", found ? `${found.headline}\n${found.cause}\n${found.again}` : (report.notes ?? [stderr]).join("\n"));
});

// `node tests/run.mjs PROGRAM SHOTS [NAME]`: the pages of a running server in a real browser.
import assert from "node:assert/strict";
import { consoleTests } from "./console.mjs";
import { dropTests } from "./drop.mjs";
import { accessible, runAll, startBrowser, startServer } from "./lib.mjs";

const [program, shots, only] = process.argv.slice(2);
const server = await startServer(program);
let ok = false;
try {
  const web = await startBrowser([server.origin, server.admin], shots);
  const last = { "no page asked another origin": () => assert.deepEqual(web.strangers, []) };
  ok = await runAll({ ...dropTests(server, web), ...consoleTests(server, web, accessible), ...last }, only);
  await web.stop();
} finally {
  await server.stop();
}
process.exit(ok ? 0 : 1);

// `node tests/run.mjs PROGRAM SHOTS [NAME]`: the pages of a running server in a real browser.
import assert from "node:assert/strict";
import { ASKS_EVERYBODY, checkTests } from "./check.mjs";
import { consoleTests } from "./console.mjs";
import { dropTests } from "./drop.mjs";
import { accessible, runAll, startBrowser, startServer } from "./lib.mjs";

const [program, shots, only] = process.argv.slice(2);
const server = await startServer(program);
const asking = await startServer(program, ASKS_EVERYBODY);
let ok = false;
try {
  const web = await startBrowser([server, asking].flatMap(({ origin, admin }) => [origin, admin]), shots);
  const last = { "no page asked another origin": () => assert.deepEqual(web.strangers, []) };
  ok = await runAll({ ...dropTests(server, web), ...checkTests(asking, web), ...consoleTests(server, asking, web, accessible), ...last }, only);
  await web.stop();
} finally {
  await Promise.all([server.stop(), asking.stop()]);
}
process.exit(ok ? 0 : 1);

// A server, a browser, and people in it.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

/** Longer than anything takes on a machine that does ten other things; only a hang meets it. */
export const HANG_MS = 120_000;

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Check a page with axe: WCAG 2.2 AA and what is good practice. */
export async function accessible(page, what) {
  const told = await page.context().newCDPSession(page);
  await told.send("Runtime.evaluate", { expression: axe });
  const { result } = await told.send("Runtime.evaluate", {
    expression: `axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })
      .then((r) => JSON.stringify(r.violations.map((v) => [v.id, v.nodes.map((n) => n.html + " " + n.failureSummary)])))`,
    awaitPromise: true,
  });
  assert.equal(result.value, "[]", what);
}

/** Start `onrush serve --dev` in a folder of its own, with these files in it. */
export async function startServer(program, files = {}) {
  const home = mkdtempSync(join(tmpdir(), "onrush-web-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(home, name), text);
  const env = { ...process.env, ONRUSH_PUBLIC: "127.0.0.1:0", ONRUSH_ADMIN: "127.0.0.1:0" };
  const args = ["serve", "--dev", "--until-stdin-closes", "--data", "data"];
  const child = spawn(program, args, { cwd: home, env, stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  const first = await new Promise((done, fail) => {
    lines.once("line", done);
    child.once("error", fail);
    child.once("exit", (code) => fail(new Error(`the server ended with ${code}`)));
  });
  const ready = JSON.parse(first);
  const bodies = new Map();
  const server = {
    origin: `http://${ready.public}`,
    admin: `http://${ready.admin}`,
    token: ready.admin_token,
    link: ready.console,
    pid: child.pid,
    text: async (path) => (await fetch(`http://${ready.admin}${path}`, { headers: { authorization: `Bearer ${ready.admin_token}` } })).text(),
    async operate(method, path, body) {
      const headers = { authorization: `Bearer ${ready.admin_token}`, "content-type": "application/json" };
      const answer = await fetch(server.admin + path, { method, headers, body: body && JSON.stringify(body) });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
      return text && JSON.parse(text);
    },
    /** Make a campaign; times are milliseconds from now. */
    async campaign(name, { opens = -1000, preheat, sku = "unit", supply = 5, from, ...more } = {}) {
      const at = (ms) => new Date(Date.now() + ms).toISOString();
      const body = { title: `Winter drop ${name}`, opens_at: at(opens), hold: "30m", skus: [{ sku, price: 129900, supply: from ? 0 : supply }], ...more };
      if (from) body.supply = from;
      if (preheat !== undefined) body.preheat_at = at(preheat);
      await server.operate("PUT", `/admin/v1/campaigns/${name}`, body);
      bodies.set(name, body);
      return `${server.origin}/drop/${name}`;
    },
    /** Let a campaign start now: its planned start moves. */
    open: (name) => server.operate("PUT", `/admin/v1/campaigns/${name}`, { ...bodies.get(name), opens_at: new Date().toISOString() }),
    phase: (name, to) => server.operate("POST", `/admin/v1/campaigns/${name}/phase`, { to, reason: "test" }),
    /** Reserve for somebody else. */
    async reserve(campaign, buyer, sku = "unit") {
      const headers = { "x-onrush-buyer": buyer, "idempotency-key": `${buyer}-${Date.now()}`, "content-type": "application/json" };
      const answer = await fetch(`${server.origin}/v1/campaigns/${campaign}/reservations`, { method: "POST", headers, body: JSON.stringify({ sku }) });
      const reservation = await answer.json();
      if (!answer.ok) throw new Error(`reserve for ${buyer}: ${reservation.code}`);
      return reservation;
    },
    pay: (id, amount = 129900) =>
      server.operate("POST", `/admin/v1/reservations/${id}/confirm`, { payments: [{ method: "card", amount, currency: "CNY", reference: id }] }),
    async stop() {
      const gone = new Promise((done) => child.once("exit", done));
      child.stdin.end();
      await gone;
      rmSync(home, { recursive: true, force: true });
    },
  };
  return server;
}

/** Start Chromium, and watch that nothing asks another origin. */
export async function startBrowser(origins, shots) {
  mkdirSync(shots, { recursive: true });
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args: FLAGS });
  const strangers = [];
  return {
    browser,
    strangers,
    /** Open a fresh browser for one person. */
    async person(options = {}) {
      const context = await browser.newContext({ viewport: { width: 390, height: 844 }, reducedMotion: "reduce", locale: "en-GB", ...options });
      context.setDefaultTimeout(HANG_MS);
      context.on("request", (request) => {
        const { origin, protocol } = new URL(request.url());
        if (!protocol.startsWith("data") && !origins.includes(origin)) strangers.push(request.url());
      });
      const page = await context.newPage();
      const errors = [];
      page.on("pageerror", (error) => errors.push(String(error)));
      page.on("console", (line) => line.type() === "error" && /Content Security Policy|Uncaught/.test(line.text()) && errors.push(line.text()));
      return { context, page, errors };
    },
    shot: (page, name) => page.screenshot({ path: join(shots, `${name}.png`), fullPage: true }),
    async stop() {
      await browser.close();
    },
  };
}

/** Run tests one after the other, and print what the test command counts. */
export async function runAll(tests, only) {
  let passed = 0;
  let failed = 0;
  for (const [name, test] of Object.entries(tests)) {
    if (only && !name.includes(only)) continue;
    try {
      let timer;
      const hang = new Promise((_, fail) => (timer = setTimeout(() => fail(new Error("hangs")), 2 * HANG_MS)));
      await Promise.race([test(), hang]).finally(() => clearTimeout(timer));
      passed++;
      console.log(`test ${name} ... ok`);
    } catch (error) {
      failed++;
      console.log(`test ${name} ... FAILED\n${error.stack ?? error}`);
    }
  }
  console.log(`test result: ${failed ? "FAILED" : "ok"}. ${passed} passed; ${failed} failed; 0 ignored`);
  return failed === 0;
}

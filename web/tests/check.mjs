// The check that a join or a reserve may need, on a server whose policy asks everybody.
import assert from "node:assert/strict";
import { accessible } from "./lib.mjs";

const HOUR = 3_600_000;
const POLICY = (version, level) => `version = ${version}\n[[rules]]\naction = "challenge"\nworst_percent = 100.0\nat_least = 0.0\nlevel = ${level}\n`;

/** The configuration of that server, by file. */
export const ASKS_EVERYBODY = { "onrush.toml": '[risk]\nenabled = true\npolicy_file = "risk.toml"\n', "risk.toml": POLICY(1, 1) };

const WORDS = {
  en: { signin: "Come in", join: "Join the line", reserve: "Reserve unit", mine: "It is held for you", done: "The check is done.", head: "A short check", wait: "Do it by waiting", go: "Continue", asked: "One more check is needed first." },
  zh: { signin: "进入", join: "加入队列", reserve: "预留 unit", mine: "已为您保留", done: "验证已完成。", head: "简短验证", wait: "通过等待完成", go: "继续", asked: "需要先完成一项验证。" },
};

export function checkTests(server, web) {
  let number = 0;
  const name = () => `k${++number}`;
  const button = (page, words) => page.getByRole("button", { name: words, exact: true });
  const stage = (page, wanted) => page.waitForSelector(`#live[data-stage="${wanted}"]`);
  const figures = async (campaign) => (await server.operate("GET", `/admin/v1/campaigns/${campaign}/risk`)).challenges;
  const proof = async (context) => (await context.cookies()).find((cookie) => cookie.name === "onrush_proof")?.value;
  /** Keep what the page says to a screen reader. */
  const listen = (context) => context.addInitScript(() => {
    window.heard = [];
    addEventListener("DOMContentLoaded", () => {
      const say = document.getElementById("say");
      if (say) new MutationObserver(() => window.heard.push(say.textContent)).observe(say, { childList: true, characterData: true, subtree: true });
    });
  });
  async function signIn(page, lang) {
    await button(page, WORDS[lang].signin).click();
    await button(page, WORDS[lang].signin).waitFor({ state: "detached" });
  }

  async function flow(lang) {
    const words = WORDS[lang];
    const campaign = name();
    const address = await server.campaign(campaign, { opens: HOUR, preheat: -1000, line: { pass: "20m" } });
    const { page, context, errors } = await web.person();
    await listen(context);
    await page.goto(`${address}?lang=${lang}`);
    await signIn(page, lang);
    // Before the start, without being asked.
    await page.waitForFunction((done) => window.heard.includes(done), words.done);
    assert.equal(await page.locator("#check").count(), 0);
    assert.ok(await proof(context));
    await accessible(page, `checked ${lang}`);
    await button(page, words.join).click();
    await stage(page, "joined");
    assert.deepEqual(await figures(campaign), { issued: 1, passed: 1, failed: 0 });
    await server.open(campaign);
    await stage(page, "served");
    // Pressed at once: whether its own check is done or not, one press is enough.
    await button(page, words.reserve).click();
    await page.getByRole("heading", { name: words.mine, exact: true }).waitFor();
    assert.equal((await figures(campaign)).failed, 0);
    const device = (await context.cookies()).find((cookie) => cookie.name === "onrush_device");
    assert.ok(device.httpOnly && device.value.length === 22, JSON.stringify(device));
    assert.deepEqual(errors, []);
    await context.close();
  }

  /** Without a script, or where it cannot run: by a form, and time. */
  async function byWaiting(page, words) {
    await button(page, words.wait).click();
    await button(page, words.go).waitFor();
    // The page may change under the finger: a press that finds no button is no failure.
    while (await button(page, words.go).count()) await button(page, words.go).click({ timeout: 2_000 }).catch(() => {});
  }

  return {
    "check: the whole flow in English": () => flow("en"),
    "check: the whole flow in Chinese": () => flow("zh"),

    async "check: by waiting, without JavaScript"() {
      const campaign = name();
      const address = await server.campaign(campaign, { preheat: -2000, opens: HOUR, line: {} });
      for (const lang of ["en", "zh"]) {
        const words = WORDS[lang];
        const { page, context } = await web.person({ javaScriptEnabled: false });
        await page.goto(`${address}?lang=${lang}`);
        await signIn(page, lang);
        await button(page, words.join).click();
        await page.getByText(words.asked).waitFor();
        await web.shot(page, `check-no-script-${lang}`);
        await byWaiting(page, words);
        await button(page, words.join).click();
        await stage(page, "joined");
        await context.close();
      }
      assert.equal((await figures(campaign)).passed, 2);
    },

    async "check: a press that came too early is sent again with the proof"() {
      const campaign = name();
      const address = await server.campaign(campaign);
      const { page, context } = await web.person();
      await listen(context);
      let go;
      const held = new Promise((done) => (go = done));
      await context.route("**/challenges", async (route) => {
        await held;
        await route.continue();
      });
      await page.goto(`${address}?lang=en`);
      await signIn(page, "en");
      await button(page, WORDS.en.reserve).click();
      await page.getByText(WORDS.en.asked).waitFor();
      await page.getByRole("progressbar", { name: WORDS.en.head }).waitFor();
      await accessible(page, "check running");
      await web.shot(page, "check-running");
      go();
      await page.getByRole("heading", { name: WORDS.en.mine, exact: true }).waitFor();
      const listed = await server.operate("GET", `/admin/v1/campaigns/${campaign}/reservations`);
      assert.equal(listed.reservations.length, 1);
      await context.close();
    },

    async "check: without big integers, and where they are slow, by hashing"() {
      for (const before of ["self.BigInt=undefined;", "performance.now=((n)=>()=>n+=1e6)(0);"]) {
        const campaign = name();
        const address = await server.campaign(campaign);
        const { page, context } = await web.person();
        const kinds = [];
        await context.route("**/check.js*", async (route) => {
          const file = await route.fetch();
          await route.fulfill({ response: file, body: before + (await file.text()) });
        });
        context.on("request", (request) => request.url().endsWith("/challenges") && kinds.push(request.postDataJSON().kind));
        await page.goto(`${address}?lang=en`);
        await signIn(page, "en");
        await page.waitForFunction(() => document.cookie.includes("onrush_proof="));
        assert.ok(kinds.includes("work"), kinds.join());
        await button(page, WORDS.en.reserve).click();
        await page.getByRole("heading", { name: WORDS.en.mine, exact: true }).waitFor();
        await context.close();
      }
    },

    async "check: where its worker cannot run there is the form"() {
      const address = await server.campaign(name());
      const { page, context } = await web.person();
      await context.route("**/check.js*", (route) => route.abort());
      await page.goto(`${address}?lang=en`);
      await signIn(page, "en");
      await page.locator("#say", { hasText: "It can be done by waiting." }).waitFor();
      await byWaiting(page, WORDS.en);
      await button(page, WORDS.en.reserve).click();
      await page.getByRole("heading", { name: WORDS.en.mine, exact: true }).waitFor();
      await context.close();
    },

    async "check: a reload keeps the proof, another tab shares it"() {
      const campaign = name();
      const address = await server.campaign(campaign);
      const { page, context } = await web.person();
      await page.goto(`${address}?lang=en`);
      await signIn(page, "en");
      await page.waitForFunction(() => document.cookie.includes("onrush_proof="));
      const first = await proof(context);
      await page.reload();
      const second = await context.newPage();
      await second.goto(`${address}?lang=en`);
      for (const tab of [page, second]) assert.equal(await tab.locator("#check").count(), 0);
      assert.equal(await proof(context), first);
      assert.equal((await figures(campaign)).issued, 1);
      await context.close();
    },

    async "check: its progress is said in quarters"() {
      const policy = await server.operate("GET", "/admin/v1/risk/policy");
      await server.operate("PUT", "/admin/v1/risk/policy", { policy: POLICY(policy.version + 1, 3), reason: "test" });
      const address = await server.campaign(name());
      const { page, context } = await web.person();
      await listen(context);
      await page.goto(`${address}?lang=en`);
      await signIn(page, "en");
      await page.waitForFunction((done) => window.heard.includes(done), WORDS.en.done);
      const heard = await page.evaluate(() => window.heard.filter((text) => text.startsWith("Check:")));
      assert.deepEqual(heard, [25, 50, 75, 100].map((n) => `Check: ${n} % done.`));
      await context.close();
    },
  };
}

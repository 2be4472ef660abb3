// The drop page in a real browser, by clicks and keys.
import assert from "node:assert/strict";
import { accessible } from "./lib.mjs";

const BUDGET_BYTES = 14 * 1024;
const LINE = { line: { pass: "20m" } };
const HOUR = 3_600_000;

/** The words that the flow needs, in both languages. */
const WORDS = {
  en: { signin: "Come in", join: "Join the line", reserve: "Reserve unit", pay: /^Pay CNY/, bought: "It is yours", mine: "It is held for you", turn: "It is your turn", title: /^Your turn/, drop: "I do not want it any more" },
  zh: { signin: "进入", join: "加入队列", reserve: "预留 unit", pay: /^付款 CNY/, bought: "已购得", mine: "已为您保留", turn: "轮到您了", title: /^轮到您了/, drop: "我不要了" },
};

export function dropTests(server, web) {
  let number = 0;
  const name = () => `d${++number}`;
  const button = (page, words) => page.getByRole("button", { name: words });
  const head = (page, words) => page.getByRole("heading", { name: words, exact: true }).waitFor();
  const stage = (page, wanted) => page.waitForSelector(`#live[data-stage="${wanted}"]`);
  async function signIn(page, lang = "en", as = "") {
    if (as) await page.locator("#name").fill(as);
    await button(page, WORDS[lang].signin).click();
    await button(page, WORDS[lang].signin).waitFor({ state: "detached" });
  }
  /** Reserve and pay, by clicks; the page is where one can reserve. */
  async function buy(page, lang) {
    await button(page, WORDS[lang].reserve).click();
    await head(page, WORDS[lang].mine);
    await accessible(page, `held ${lang}`);
    await web.shot(page, `held-${lang}`);
    await page.getByRole("link", { name: WORDS[lang].pay }).click();
    await accessible(page, `pay ${lang}`);
    await web.shot(page, `pay-${lang}`);
    await button(page, WORDS[lang].pay).click();
    await head(page, WORDS[lang].bought);
    await web.shot(page, `bought-${lang}`);
  }
  async function wholeFlow(lang) {
    const campaign = name();
    const address = await server.campaign(campaign, { opens: HOUR, preheat: -1000, ...LINE });
    const { page, context, errors } = await web.person();
    await page.goto(`${address}?lang=${lang}`);
    await accessible(page, `soon ${lang}`);
    await web.shot(page, `soon-${lang}`);
    await signIn(page, lang);
    await button(page, WORDS[lang].join).click();
    await stage(page, "joined");
    await accessible(page, `joined ${lang}`);
    await web.shot(page, `joined-${lang}`);
    const timer = page.getByRole("timer").first();
    await timer.filter({ hasText: /\d\d:\d\d:\d\d/ }).waitFor();
    await server.open(campaign);
    await stage(page, "served");
    await head(page, WORDS[lang].turn);
    assert.match(await page.title(), WORDS[lang].title);
    assert.equal(page.url().split("?")[0], address, "nobody is led away");
    await accessible(page, `served ${lang}`);
    await web.shot(page, `served-${lang}`);
    await buy(page, lang);
    assert.deepEqual(errors, []);
    await context.close();
  }

  return {
    "whole flow in English": () => wholeFlow("en"),
    "whole flow in Chinese": () => wholeFlow("zh"),

    async "whole flow without JavaScript"() {
      const address = await server.campaign(name(), { preheat: -2000, ...LINE });
      const { page, context } = await web.person({ javaScriptEnabled: false });
      await page.goto(`${address}?lang=en`);
      await signIn(page, "en");
      await button(page, WORDS.en.join).click();
      for (;;) {
        const now = await page.locator("#live").getAttribute("data-stage");
        if (now === "served") break;
        assert.ok(["joined", "ranking", "waiting"].includes(now), now);
        assert.match(await page.content(), /<noscript><meta http-equiv="refresh" content="\d+">/);
        await page.reload();
      }
      await button(page, WORDS.en.reserve).click();
      await head(page, WORDS.en.mine);
      await page.reload();
      await head(page, WORDS.en.mine);
      await web.shot(page, "held-no-script");
      await page.getByRole("link", { name: WORDS.en.pay }).click();
      await button(page, WORDS.en.pay).click();
      await head(page, WORDS.en.bought);
      await context.close();
    },

    async "the countdown does not follow the device's clock"() {
      const opens = 600_000;
      const address = await server.campaign(name(), { opens });
      const opensAt = Date.now() + opens;
      const { page, context } = await web.person();
      await context.addInitScript(() => {
        const now = Date.now;
        Date.now = () => now() + 3_600_000;
      });
      await page.goto(`${address}?lang=en`);
      const timer = page.getByRole("timer").first();
      await timer.filter({ hasText: /in \d\d:\d\d:\d\d$/ }).waitFor();
      const [h, m, s] = (await timer.textContent()).slice(3).split(":").map(Number);
      const shown = (h * 3600 + m * 60 + s) * 1000;
      const real = opensAt - Date.now();
      // Half a minute for a machine that is busy; the device is wrong by an hour.
      assert.ok(Math.abs(shown - real) < 30_000, `${shown} and ${real}`);
      await context.close();
    },

    async "the page opens by itself, without a request before the button works"() {
      const address = await server.campaign(name(), { opens: 15_000 });
      const opensAt = Date.now() + 14_000;
      const { page, context } = await web.person();
      await page.goto(`${address}?lang=en`);
      await signIn(page);
      const isHidden = await button(page, WORDS.en.reserve).isHidden();
      assert.ok(isHidden || Date.now() > opensAt, "not before the start");
      await button(page, WORDS.en.reserve).waitFor({ state: "visible" });
      await button(page, WORDS.en.reserve).click();
      await head(page, WORDS.en.mine);
      await context.close();
    },

    async "two tabs are one place and one connection"() {
      const campaign = name();
      const address = await server.campaign(campaign, { opens: HOUR, preheat: -1000, ...LINE });
      const { page, context } = await web.person();
      await page.goto(`${address}?lang=en`);
      await signIn(page);
      await button(page, WORDS.en.join).click();
      await stage(page, "joined");
      const second = await context.newPage();
      await second.goto(`${address}?lang=en`);
      await stage(second, "joined");
      const watch = (p) => p.locator("#live").getAttribute("data-watch");
      assert.equal(await watch(page), await watch(second), "the same ticket");
      await page.locator("#tabs").waitFor({ state: "visible" });
      const held = await second.evaluate(async () => (await navigator.locks.query()).held.length);
      assert.equal(held, 1, "one tab leads");
      // What one tab hears both show.
      await server.operate("POST", `/admin/v1/campaigns/${campaign}/message`, { text: "Back in five minutes.", reason: "test" });
      await Promise.all([page, second].map((p) => p.getByText("Back in five minutes.").waitFor()));
      await second.close();
      await page.waitForFunction(async () => (await navigator.locks.query()).held.length === 1);
      await server.operate("POST", `/admin/v1/campaigns/${campaign}/message`, { text: "Now.", reason: "test" });
      await page.getByText("Now.").waitFor();
      await context.close();
    },

    async "the back button and a reload repeat nothing"() {
      const campaign = name();
      const address = await server.campaign(campaign, { limit_per_buyer: 3 });
      const { page, context } = await web.person();
      await page.goto(`${address}?lang=en`);
      await signIn(page);
      await button(page, WORDS.en.reserve).click();
      await head(page, WORDS.en.mine);
      await page.reload();
      await head(page, WORDS.en.mine);
      await page.getByRole("link", { name: WORDS.en.pay }).click();
      await page.goBack();
      await head(page, WORDS.en.mine);
      await page.goForward();
      await button(page, WORDS.en.pay).click();
      await page.getByText("Bought:").waitFor();
      await page.goBack();
      await page.goto(address);
      const listed = await server.operate("GET", `/admin/v1/campaigns/${campaign}/reservations`);
      assert.deepEqual(listed.reservations.map((r) => r.state), ["sold"]);
      await context.close();
    },

    async "a slow network and an impatient finger make one reservation"() {
      const campaign = name();
      const address = await server.campaign(campaign, { limit_per_buyer: 3 });
      const { page, context } = await web.person();
      await page.goto(`${address}?lang=en`);
      await signIn(page);
      const told = await context.newCDPSession(page);
      await told.send("Network.emulateNetworkConditions", { offline: false, latency: 600, downloadThroughput: 6_000, uploadThroughput: 6_000 });
      await button(page, WORDS.en.reserve).click({ clickCount: 4, delay: 30 });
      await head(page, WORDS.en.mine);
      const listed = await server.operate("GET", `/admin/v1/campaigns/${campaign}/reservations`);
      assert.equal(listed.reservations.length, 1);
      await context.close();
    },

    async "no answer is said, and the same button works again"() {
      const address = await server.campaign(name());
      const { page, context } = await web.person();
      await page.goto(`${address}?lang=en`);
      await signIn(page);
      await context.setOffline(true);
      await button(page, WORDS.en.reserve).click();
      await page.locator("#say", { hasText: "it counts once" }).waitFor();
      await context.setOffline(false);
      await button(page, WORDS.en.reserve).click();
      await head(page, WORDS.en.mine);
      await context.close();
    },

    async "everything works with the keyboard alone"() {
      const address = await server.campaign(name(), { preheat: -2000, ...LINE });
      const { page, context } = await web.person();
      await page.goto(`${address}?lang=en`);
      const press = async (words) => {
        for (let n = 0; n < 40; n++) {
          await page.keyboard.press("Tab");
          const text = await page.evaluate(() => document.activeElement?.textContent ?? "");
          if (text.trim().startsWith(words)) return page.keyboard.press("Enter");
        }
        assert.fail(`${words} cannot be reached`);
      };
      await page.keyboard.press("Tab");
      assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
      await press("Come in");
      await button(page, "Come in").waitFor({ state: "detached" });
      assert.equal(await page.evaluate(() => document.activeElement.id), "head", "one is where it goes on");
      await press("Join the line");
      await stage(page, "served");
      await press("Reserve unit");
      await head(page, WORDS.en.mine);
      await press("Pay CNY");
      await button(page, WORDS.en.pay).waitFor();
      await press("Pay CNY");
      await head(page, WORDS.en.bought);
      await context.close();
    },

    async "nothing is cut off at 200 % zoom or on a narrow screen"() {
      const address = await server.campaign(name(), { opens: HOUR, preheat: -1000, ...LINE });
      for (const [width, scale] of [[320, 1], [640, 2]]) {
        const { page, context } = await web.person({ viewport: { width: width / scale, height: 500 }, deviceScaleFactor: scale });
        for (const lang of ["en", "zh"]) {
          await page.goto(`${address}?lang=${lang}`);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          assert.ok(wide <= 0, `${wide} pixels beyond ${width} at ${scale}`);
        }
        await web.shot(page, `narrow-${width}`);
        await context.close();
      }
    },

    async "dark is readable, too"() {
      const address = await server.campaign(name());
      const { page, context } = await web.person({ colorScheme: "dark" });
      await page.goto(`${address}?lang=en`);
      await accessible(page, "dark");
      await signIn(page);
      await accessible(page, "dark, signed in");
      await web.shot(page, "open-dark");
      await context.close();
    },

    async "all on hold, sold out and ended are told apart, and one can wait"() {
      const campaign = name();
      const address = await server.campaign(campaign, { supply: 1, waitlist: {} });
      const other = await server.reserve(campaign, "other");
      const { page, context } = await web.person();
      await page.goto(`${address}?lang=en`);
      await signIn(page);
      await head(page, "All units are on hold");
      await web.shot(page, "all-held");
      await button(page, "Wait for unit to come back").click();
      await page.getByText("You wait for it; 0 are ahead of you.").waitFor();
      await fetch(`${server.origin}/v1/reservations/${other.id}`, { method: "DELETE", headers: { "x-onrush-buyer": "other" } });
      await head(page, WORDS.en.mine);
      await button(page, WORDS.en.drop).click();
      await page.getByText("It was offered to you and you gave it up.").waitFor();
      const last = await server.reserve(campaign, "last");
      await server.pay(last.id);
      await head(page, "Sold out");
      await accessible(page, "sold out");
      await web.shot(page, "sold-out");
      await server.phase(campaign, "closed");
      await head(page, "The sale has ended");
      await web.shot(page, "ended");
      await context.close();
    },

    async "a pause is shown with its reason, and nobody loses anything"() {
      const campaign = name();
      const address = await server.campaign(campaign, { preheat: -2000, ...LINE });
      const { page, context } = await web.person();
      await page.goto(`${address}?lang=en`);
      await signIn(page);
      await button(page, WORDS.en.join).click();
      await stage(page, "served");
      await server.operate("POST", `/admin/v1/campaigns/${campaign}/message`, { text: "The till is being repaired.", reason: "test" });
      await server.phase(campaign, "paused");
      await head(page, "The sale is paused");
      await page.getByText("The till is being repaired.").waitFor();
      await web.shot(page, "paused");
      await server.phase(campaign, "open");
      await head(page, WORDS.en.turn);
      await context.close();
    },

    async "a code takes the place to another device, once"() {
      const address = await server.campaign(name(), { opens: HOUR, preheat: -1000, ...LINE });
      const here = await web.person();
      await here.page.goto(`${address}?lang=en`);
      await signIn(here.page);
      await button(here.page, WORDS.en.join).click();
      await button(here.page, "Show a code for another device").click();
      const code = await here.page.locator(".code").textContent();
      await web.shot(here.page, "handoff");
      for (const [n, works] of [[1, true], [2, false]]) {
        const there = await web.person();
        await there.page.goto(`${address}?lang=en`);
        await there.page.getByText("Continue from another device").click();
        await there.page.locator("#code").fill(code.toLowerCase());
        await button(there.page, "Continue here").click();
        if (works) {
          await stage(there.page, "joined");
          const watch = (p) => p.locator("#live").getAttribute("data-watch");
          assert.equal(await watch(there.page), await watch(here.page), `device ${n}`);
        } else await there.page.getByText("This code is unknown, used or over.").waitFor();
        await there.context.close();
      }
      await here.context.close();
    },

    async "anybody can draw again in the browser"() {
      const campaign = name();
      const address = await server.campaign(campaign, { opens: HOUR, preheat: -1000, ...LINE });
      const join = (buyer) => fetch(`${server.origin}/v1/campaigns/${campaign}/tickets`, { method: "POST", headers: { "x-onrush-buyer": buyer } });
      await Promise.all(Array.from({ length: 30 }, (_, n) => join(`b${n}`)));
      const { page, context, errors } = await web.person();
      await page.goto(`${address}?lang=en`);
      await signIn(page);
      await button(page, WORDS.en.join).click();
      await stage(page, "joined");
      await page.goto(`${address}/draw?lang=en`);
      await button(page, "Draw again in this browser").click();
      await page.getByText("Committed already").waitFor();
      await server.open(campaign);
      await page.goto(`${address}?lang=en`);
      await page.waitForSelector('#live:not([data-stage="joined"]):not([data-stage="ranking"])');
      await page.getByRole("link", { name: "Check the draw yourself" }).click();
      await button(page, "Draw again in this browser").click();
      await page.getByText(/Everything fits: 31 people.*Your rank is \d+/).waitFor();
      await accessible(page, "draw");
      await web.shot(page, "draw");
      // One bit of the list, and it does not fit.
      await page.route("**/draw/participants**", async (route) => {
        const answer = await route.fetch();
        const list = await answer.json();
        list.participants[0][0] = list.participants[0][0].replace(/^./, (digit) => (digit === "0" ? "1" : "0"));
        await route.fulfill({ json: list });
      });
      await button(page, "Draw again in this browser").click();
      await page.getByText("This does not fit: list_digest").waitFor();
      assert.deepEqual(errors, []);
      await context.close();
    },

    async "stores nearby are dots and a list, with what is promised"() {
      const campaign = name();
      const address = await server.campaign(campaign, { supply: 0 });
      const node = { kind: "store", lat: 31.24, lon: 121.48 };
      await server.operate("PUT", "/admin/v1/nodes/river-store", node);
      await server.operate("PUT", "/admin/v1/nodes/hill-store", { ...node, lat: 31.2, lon: 121.4 });
      for (const store of ["river-store", "hill-store"]) {
        await server.operate("POST", `/admin/v1/nodes/${store}/stock`, { campaign, sku: "unit", on_hand: 3, reason: "test" });
      }
      const { page, context } = await web.person({ geolocation: { latitude: 31.23, longitude: 121.47 }, permissions: ["geolocation"] });
      await page.goto(`${address}?lang=en`);
      await head(page, "Sold out");
      await button(page, "Use my location").click();
      const rows = page.locator("section:has(#near) li");
      await rows.first().waitFor();
      assert.deepEqual((await rows.allTextContents()).map((row) => row.split(",")[0]), ["river-store", "hill-store"]);
      assert.equal(await page.locator("svg .dot").count(), 2);
      await accessible(page, "stores");
      await web.shot(page, "stores");
      await context.close();
    },

    async "what is promised is said before buying and with the hold; hours and kilometres stand with a store"() {
      const campaign = name();
      const address = await server.campaign(campaign, { from: "stores" });
      const places = { "lake-store": [40.7, -73.99], "park-store": [40.76, -73.97] };
      for (const [store, [lat, lon]] of Object.entries(places)) {
        const hours = store === "park-store" ? { opens: "00:00", closes: "23:59", time_zone: "Asia/Shanghai" } : {};
        await server.operate("PUT", `/admin/v1/nodes/${store}`, { kind: "store", lat, lon, ...hours, reason: "test" });
        await server.operate("POST", `/admin/v1/nodes/${store}/stock`, { campaign, sku: "unit", on_hand: 3, reason: "test" });
      }
      for (const lang of ["en", "zh"]) {
        const { page, context } = await web.person({ javaScriptEnabled: lang === "en" });
        const words = { en: ["Look", "Where are you? (latitude, longitude)", /If you buy now: by .+, from lake-store; \d+ % sure/, /lake-store, unit: 3 left, \d+\.\d km\. Always open\./, /park-store, unit: 3 left, \d+\.\d km\. (Open|Closed) until .+\./], zh: ["查看", "您在哪里？（纬度, 经度）", /现在购买：.+ 前送达，发自 lake-store，把握 \d+ %/, /lake-store, unit: 剩余 \d 件, \d+\.\d 公里. 全天营业。/, /park-store, unit: 剩余 3 件, \d+\.\d 公里. .*(营业至|开门)/] }[lang];
        await page.goto(`${address}?lang=${lang}`);
        await signIn(page, lang, `buyer ${lang}`);
        await page.getByLabel(words[1]).fill("40.701,-73.991");
        await button(page, words[0]).click();
        for (const told of words.slice(2)) await page.getByText(told).first().waitFor();
        assert.equal(await page.locator("svg .dot").count(), 2);
        if (lang === "en") await accessible(page, "promised");
        await web.shot(page, `promised-${lang}`);
        await button(page, WORDS[lang].reserve).click();
        await head(page, WORDS[lang].mine);
        await page.locator(".card").getByText(words[2]).waitFor();
        await context.close();
      }
    },

    async "a hidden tab is never led away; its title says that it is one's turn"() {
      const campaign = name();
      const address = await server.campaign(campaign, { opens: HOUR, preheat: -1000, ...LINE });
      const { page, context } = await web.person();
      await page.goto(`${address}?lang=en`);
      await signIn(page);
      await button(page, WORDS.en.join).click();
      await stage(page, "joined");
      const addresses = [];
      page.on("framenavigated", (frame) => addresses.push(frame.url()));
      await page.evaluate(() => {
        Object.defineProperty(document, "hidden", { get: () => true });
        Object.defineProperty(document, "visibilityState", { get: () => "hidden" });
        document.dispatchEvent(new Event("visibilitychange"));
      });
      await server.open(campaign);
      await page.waitForFunction(() => document.title.startsWith("Your turn"));
      await page.locator("#say", { hasText: "It is your turn." }).waitFor();
      assert.deepEqual(addresses, [], "nobody is led away");
      await context.close();
    },

    async "everything fits at 200 % zoom, to the end"() {
      const address = await server.campaign(name(), { preheat: -2000, ...LINE });
      const { page, context } = await web.person({ viewport: { width: 320, height: 480 }, deviceScaleFactor: 2 });
      await page.goto(`${address}?lang=en`);
      const fits = async (what) => {
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wide <= 0, `${what}: ${wide} pixels too wide`);
        // WCAG 2.2, 2.5.8: what is pressed is at least 24 pixels in each direction.
        const small = await page.evaluate(() => [...document.querySelectorAll("main button, main .button, main input:not([type=hidden])")].filter((e) => e.offsetParent && (e.offsetHeight < 24 || e.offsetWidth < 24)).map((e) => e.outerHTML));
        assert.deepEqual(small, [], what);
      };
      await fits("join");
      await signIn(page);
      await button(page, WORDS.en.join).click();
      await stage(page, "served");
      await fits("served");
      await button(page, WORDS.en.reserve).click();
      await head(page, WORDS.en.mine);
      await fits("held");
      await page.getByRole("link", { name: WORDS.en.pay }).click();
      await fits("pay");
      await button(page, WORDS.en.pay).click();
      await head(page, WORDS.en.bought);
      await fits("bought");
      await context.close();
    },

    async "a hold counts down on the server's clock, an hour before or behind"() {
      for (const wrong of [-HOUR, HOUR]) {
        const address = await server.campaign(name());
        const { page, context } = await web.person();
        await context.addInitScript((wrong) => {
          const now = Date.now;
          Date.now = () => now() + wrong;
        }, wrong);
        await page.goto(`${address}?lang=en`);
        await signIn(page);
        await button(page, WORDS.en.reserve).click();
        await head(page, WORDS.en.mine);
        await page.getByRole("timer", { name: "Time left to pay" }).filter({ hasText: /^in 00:(29|30):\d\d$/ }).waitFor();
        await context.close();
      }
    },

    async "milestones are said once each, and no motion is forced"() {
      const address = await server.campaign(name(), { opens: 70_000 });
      const { page, context } = await web.person();
      await context.addInitScript(() => {
        window.heard = [];
        addEventListener("DOMContentLoaded", () => {
          const say = document.getElementById("say");
          new MutationObserver(() => window.heard.push(say.textContent)).observe(say, { childList: true, characterData: true, subtree: true });
        });
      });
      await page.goto(`${address}?lang=en`);
      await page.waitForFunction(() => window.heard.some((text) => text.includes("00:01:00 left")));
      const heard = await page.evaluate(() => window.heard.filter((text) => text.includes("left")));
      assert.equal(heard.length, 1, heard.join());
      const moves = await page.evaluate(() => [...document.querySelectorAll("*")].filter((e) => getComputedStyle(e).animationName !== "none" || getComputedStyle(e).transitionDuration !== "0s").length);
      assert.equal(moves, 0);
      await context.close();
    },

    async "a first visit stays within 14 KB"() {
      const address = await server.campaign(name());
      const { page, context } = await web.person();
      const told = await context.newCDPSession(page);
      await told.send("Network.enable");
      let bytes = 0;
      const asked = new Map();
      told.on("Network.responseReceived", ({ requestId, response }) => asked.set(requestId, response.url));
      told.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
        if (/\/drop\/|\/assets\//.test(asked.get(requestId) ?? "")) bytes += encodedDataLength;
      });
      await page.goto(`${address}?lang=zh`, { waitUntil: "load" });
      await page.locator("#say", { hasText: /./ }).waitFor();
      assert.ok(bytes > 3_000 && bytes <= BUDGET_BYTES, `${bytes} bytes`);
      await context.close();
    },
  };
}

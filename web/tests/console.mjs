// The console in a real browser: what it shows is what is, and its controls change the running sale.
import assert from "node:assert/strict";

export function consoleTests(server, asking, web, accessible) {
  let number = 0;
  const name = () => `c${++number}`;
  const turnTo = (page, words) => page.getByRole("navigation").getByRole("button", { name: words }).click();
  async function open(campaign, on = server) {
    const person = await web.person({ viewport: { width: 1200, height: 900 } });
    const { page } = person;
    await page.goto(`${on.admin}/console`);
    await page.locator("#key").fill(on.token);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.locator("#campaign").selectOption(campaign);
    await page.getByRole("heading", { name: "Stock" }).waitFor();
    return person;
  }
  const phase = async (campaign) => (await server.operate("GET", `/admin/v1/campaigns/${campaign}`)).phase;
  const cells = (page, sku) => page.getByRole("row", { name: new RegExp(`^${sku} `) }).getByRole("cell");
  const shows = (page, sku, wanted) =>
    page.waitForFunction(([sku, wanted]) => {
      const rows = [...document.querySelectorAll("tbody tr")].filter((row) => row.querySelector("th").textContent === sku);
      return rows.some((row) => [...row.querySelectorAll("td")].map((cell) => cell.textContent).join() === wanted);
    }, [sku, wanted.join()]);

  return {
    async "console: a key that is not known is refused"() {
      const { page, context } = await web.person();
      await page.goto(`${server.admin}/console`);
      await accessible(page, "sign in");
      await page.locator("#key").fill("0".repeat(48));
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByText("This key is not accepted.").waitFor();
      await context.close();
    },

    async "console: figures follow the sale"() {
      const campaign = name();
      await server.campaign(campaign, { supply: 5 });
      const { page, context, errors } = await open(campaign);
      await shows(page, "unit", [5, 5, 0, 0, 0]);
      const { id } = await server.reserve(campaign, "ann");
      await shows(page, "unit", [5, 4, 1, 0, 0]);
      await server.pay(id);
      await shows(page, "unit", [5, 4, 0, 1, 0]);
      assert.equal(await cells(page, "unit").count(), 5);
      await accessible(page, "console");
      await web.shot(page, "console-en");
      await page.getByRole("button", { name: "中文" }).click();
      await page.getByRole("heading", { name: "库存" }).waitFor();
      await accessible(page, "console zh");
      await web.shot(page, "console-zh");
      assert.deepEqual(errors, []);
      await context.close();
    },

    async "console: the funnel follows people of each link"() {
      const campaign = name();
      const address = await server.campaign(campaign, { supply: 5 });
      const { page, context, errors } = await open(campaign);
      await page.getByText("Nobody came yet.").waitFor();
      const counts = (source, wanted) =>
        page.waitForFunction(([source, wanted]) => {
          const table = document.getElementById("sources").parentElement.querySelector("table");
          const rows = [...(table?.querySelectorAll("tr") ?? [])].filter((row) => row.querySelector("th").textContent === source);
          return rows.some((row) => [...row.querySelectorAll("td")].map((cell) => cell.textContent).join() === wanted);
        }, [source, wanted.join()]);
      const buyer = await web.person();
      await buyer.page.goto(`${address}?lang=en&channel=wechat&touchpoint=push`);
      await counts("wechat · push", [1, 0, 0, 0, 0, 0]);
      await buyer.page.reload();
      await buyer.page.getByRole("button", { name: "Come in" }).click();
      await buyer.page.getByRole("button", { name: "Reserve unit" }).click();
      await counts("wechat · push", [1, 0, 0, 0, 1, 0]);
      const { reservations } = await server.operate("GET", `/admin/v1/campaigns/${campaign}/reservations`);
      await server.pay(reservations[0].id);
      await server.reserve(campaign, "ben");
      await counts("wechat · push", [1, 0, 0, 0, 1, 1]);
      await counts("not said", [0, 0, 0, 0, 1, 0]);
      await counts("together", [1, 0, 0, 0, 2, 1]);
      await accessible(page, "funnel");
      await web.shot(page, "console-funnel");
      assert.deepEqual(errors, []);
      await buyer.context.close();
      await context.close();
    },

    async "console: a reservation is found, its story told, its refund noted"() {
      const campaign = name();
      await server.campaign(campaign, { supply: 5 });
      const { id } = await server.reserve(campaign, "ann");
      await server.pay(id);
      const { page, context, errors } = await open(campaign);
      await turnTo(page, "Orders");
      await page.getByRole("button", { name: id }).click();
      assert.equal(await page.locator("#id").inputValue(), id);
      await page.getByRole("button", { name: "Find" }).click();
      await page.getByText(`1299 CNY card ${id}`).waitFor();
      const cancel = page.getByRole("button", { name: "Cancel this sale" });
      assert.ok(await cancel.isDisabled(), "without a reason");
      await page.locator("#decide-reason").fill("it was broken");
      await page.getByLabel("its units are free again").uncheck();
      await cancel.click();
      const story = page.locator(".events li");
      await story.filter({ hasText: "dev: it was broken" }).waitFor();
      assert.deepEqual(await story.locator("b").allTextContents(), ["held", "paid", "cancelled"]);
      await accessible(page, "orders");
      await web.shot(page, "console-orders");
      const { skus } = await server.operate("GET", `/admin/v1/campaigns/${campaign}`);
      assert.deepEqual([skus[0].free, skus[0].withdrawn], [4, 1]);
      await turnTo(page, "Sale");
      await turnTo(page, "Orders");
      const due = page.locator("form", { hasText: id }).filter({ has: page.getByRole("button", { name: "It was paid back" }) });
      await due.getByLabel("Reference of the refund").fill("back-7");
      await due.getByRole("button", { name: "It was paid back" }).click();
      await due.waitFor({ state: "detached" });
      const { refunds } = await server.operate("GET", "/admin/v1/refunds");
      assert.ok(!refunds.some((refund) => refund.reservation === id));
      assert.deepEqual(errors, []);
      await context.close();
    },

    async "console: a campaign is written, checked, put, cloned"() {
      const campaign = name();
      await server.campaign(campaign, { supply: 7, limit_per_buyer: 2 });
      const { page, context } = await open(campaign);
      const press = (words) => page.getByRole("button", { name: words }).click();
      await turnTo(page, "Campaigns");
      await press(/^Load:/);
      await page.waitForFunction(() => document.getElementById("json").value.includes('"supply": 7'));
      await page.locator("#name").fill("clone");
      assert.ok(await page.getByRole("button", { name: "Put it" }).isDisabled(), "not before it is checked");
      await page.locator("#field-title").fill("A clone");
      await page.locator("#field-limit_per_buyer").fill("0");
      await press("Check, change nothing");
      await page.getByText(/limit_per_buyer: /).waitFor();
      await page.locator("#field-limit_per_buyer").fill("3");
      await press("Check, change nothing");
      await page.getByText("This makes a new campaign.").waitFor();
      await page.getByText("It opens at once: its start is in the past.").waitFor();
      await accessible(page, "editor");
      await web.shot(page, "console-editor");
      const before = await server.operate("GET", "/admin/v1/campaigns?limit=500");
      assert.ok(!before.campaigns.some((row) => row.campaign === "clone"), "checked, not made");
      await press("Put it");
      await page.getByText("Done.").waitFor();
      const made = await server.operate("GET", "/admin/v1/campaigns/clone");
      assert.deepEqual([made.limit_per_buyer, made.skus[0].free], [3, 7]);
      await page.locator("#public").fill(server.origin);
      const link = page.getByRole("link", { name: "Preview: clone" });
      const shown = await (await fetch(await link.getAttribute("href"))).text();
      assert.ok(shown.includes("A clone"));
      await press("Check, change nothing");
      await page.getByText("Nothing changes.").waitFor();
      await context.close();
    },

    async "console: stores on one's own map, and what would become of an order"() {
      const campaign = name();
      await server.campaign(campaign, { supply: 0 });
      const node = { kind: "store", lat: 31.24, lon: 121.48 };
      await server.operate("PUT", "/admin/v1/nodes/river-store", node);
      await server.operate("POST", "/admin/v1/nodes/river-store/stock", { campaign, sku: "unit", on_hand: 3, reason: "test" });
      const { page, context, errors } = await open(campaign);
      await turnTo(page, "Stores");
      const line = { type: "FeatureCollection", features: [{ type: "Feature", geometry: { type: "Polygon", coordinates: [[[121.3, 31.1], [121.6, 31.1], [121.6, 31.4], [121.3, 31.1]]] } }] };
      const file = (text) => ({ name: "map.geojson", mimeType: "application/geo+json", buffer: Buffer.from(text) });
      await page.locator("#geojson").setInputFiles(file("{}"));
      await page.getByText("This is no GeoJSON with lines or areas.").waitFor();
      await page.locator("#geojson").setInputFiles(file(JSON.stringify(line)));
      await page.locator("svg.map path").waitFor({ state: "attached" });
      await page.reload();
      await page.locator("#campaign").selectOption(campaign);
      await turnTo(page, "Stores");
      await page.locator("svg.map path").waitFor({ state: "attached" });
      for (const [field, value] of [["lat", "31.23"], ["lon", "121.47"], ["quantity", "1"]]) await page.locator(`#order-${field}`).fill(value);
      // Stock that was put a moment ago reaches the router a moment later.
      const planned = page.getByRole("heading", { name: "With the policy in force" });
      do await page.getByRole("button", { name: "Plan", exact: true }).click();
      while (!(await planned.waitFor({ timeout: 1_000 }).then(() => true, () => false)));
      await page.locator("li", { hasText: "river-store" }).first().waitFor();
      await page.locator("#other-policy").fill("nonsense = 1");
      await page.getByRole("button", { name: "Plan", exact: true }).click();
      await page.getByText(/^policy: /).waitFor();
      await accessible(page, "stores view");
      await web.shot(page, "console-stores");
      await page.getByRole("button", { name: "Take the map away" }).click();
      await page.locator("svg.map path").waitFor({ state: "detached" });
      assert.deepEqual(errors, []);
      await context.close();
    },

    async "console: links let people in with their role, once"() {
      const campaign = name();
      await server.campaign(campaign);
      const { page, context } = await open(campaign);
      await turnTo(page, "People");
      await page.locator("#person").fill("ben");
      await page.locator("#link-reason").fill("new here");
      await page.getByRole("button", { name: "Make the link" }).click();
      const link = await page.locator("#link").textContent();
      await accessible(page, "people");
      await context.close();
      for (const works of [true, false]) {
        const ben = await web.person({ viewport: { width: 1200, height: 900 } });
        await ben.page.goto(link);
        if (works) {
          await ben.page.getByText("Signed in as ben, viewer").waitFor();
          assert.equal(new URL(ben.page.url()).hash, "", "nobody keeps it");
          await ben.page.locator("#campaign").selectOption(campaign);
          await ben.page.getByRole("heading", { name: "Stock" }).waitFor();
          assert.equal(await ben.page.getByRole("heading", { name: "Controls" }).count(), 0);
          assert.equal(await ben.page.getByRole("button", { name: "People" }).count(), 0);
          await ben.page.reload();
          await ben.page.getByText("Signed in as ben, viewer").waitFor();
        } else await ben.page.getByText("This key is not accepted.").waitFor();
        await ben.context.close();
      }
    },

    async "console: the link of the start lets an owner in"() {
      const { page, context } = await web.person({ viewport: { width: 1200, height: 900 } });
      await page.goto(asking.link);
      await page.getByText("Signed in as first-link, owner").waitFor();
      await context.close();
    },

    async "console: risk says what it did, and why"() {
      const campaign = name();
      await asking.campaign(campaign);
      const refused = await fetch(`${asking.origin}/v1/campaigns/${campaign}/reservations`, { method: "POST", headers: { "x-onrush-buyer": "bot", "idempotency-key": "k", "content-type": "application/json", "user-agent": "curl/8" }, body: '{"sku":"unit"}' });
      assert.equal(refused.status, 403);
      const { page, context, errors } = await open(campaign, asking);
      await turnTo(page, "Risk");
      await page.getByRole("heading", { name: "Latest decisions" }).waitFor();
      const { recent } = await asking.operate("GET", `/admin/v1/campaigns/${campaign}/risk`);
      await page.getByText(recent[0].reasons[0].meaning).first().waitFor();
      await page.waitForFunction(() => document.querySelector("textarea").value.includes("worst_percent"));
      await accessible(page, "risk");
      await web.shot(page, "console-risk");
      assert.deepEqual(errors, []);
      await context.close();
    },

    async "console: a hold under review is judged"() {
      const { version } = await asking.operate("GET", "/admin/v1/risk/policy");
      const policy = `version = ${version + 1}\n[[rules]]\naction = "review"\nworst_percent = 100.0\nat_least = 0.0\n`;
      await asking.operate("PUT", "/admin/v1/risk/policy", { policy, reason: "test" });
      const campaign = name();
      await asking.campaign(campaign);
      const { id, state } = await asking.reserve(campaign, "ann");
      assert.equal(state, "review");
      const { page, context, errors } = await open(campaign, asking);
      await turnTo(page, "Risk");
      await page.locator("dt", { hasText: "Rule 1" }).locator("+ dd", { hasText: "1" }).waitFor();
      await turnTo(page, "Orders");
      await page.locator("#id").fill(id);
      await page.getByRole("button", { name: "Find" }).click();
      await page.locator("#decide-reason").fill("known here");
      await accessible(page, "review");
      await page.getByRole("button", { name: "Accept it" }).click();
      await page.locator(".events li", { hasText: "dev: known here" }).waitFor();
      const after = await asking.operate("GET", `/admin/v1/reservations/${id}`);
      assert.equal(after.state, "held");
      assert.deepEqual(errors, []);
      await context.close();
    },

    async "console: waves are planned while the sale runs"() {
      const campaign = name();
      await server.campaign(campaign, { supply: 2 });
      const { page, context, errors } = await open(campaign);
      const press = (words) => page.getByRole("button", { name: words, exact: true }).click();
      const planned = async () => (await server.operate("GET", `/admin/v1/campaigns/${campaign}/terms`)).waves ?? [];
      await press("Show waves");
      await page.getByText("None is planned.").waitFor();
      assert.ok(await page.getByRole("button", { name: "Plan them so" }).isDisabled(), "without a reason");
      await page.locator("#reason").fill("more were found");
      await press("One more wave");
      const at = page.getByLabel("At", { exact: true });
      await at.fill("never");
      assert.ok(await page.getByRole("button", { name: "Plan them so" }).isDisabled(), "at no time");
      await at.fill(new Date(Date.now() + 3_600_000).toISOString());
      await page.locator(".waves").getByLabel("Units").fill("4");
      await accessible(page, "waves");
      await press("Plan them so");
      assert.deepEqual(await planned(), [], "not before it is confirmed");
      await press("Yes, plan them so");
      await page.getByText("Done.").waitFor();
      assert.deepEqual((await planned()).map(({ sku, quantity }) => [sku, quantity]), [["unit", 4]]);
      // Brought forward, it comes at once.
      await at.fill(new Date(Date.now() - 1_000).toISOString());
      await press("Plan them so");
      await press("Yes, plan them so");
      await shows(page, "unit", [6, 6, 0, 0, 0]);
      assert.deepEqual(errors, []);
      await context.close();
    },

    async "console: deadlines are put off, and buyers see it"() {
      const campaign = name();
      const address = await server.campaign(campaign, { supply: 3, hold: "2m" });
      const buyer = await web.person();
      await buyer.page.goto(`${address}?lang=en`);
      const signIn = buyer.page.getByRole("button", { name: "Come in" });
      await signIn.click();
      await signIn.waitFor({ state: "detached" });
      await buyer.page.getByRole("button", { name: "Reserve unit" }).click();
      const timer = buyer.page.getByRole("timer");
      const left = async () => Number(await timer.first().getAttribute("data-until"));
      await timer.first().waitFor();
      const seen = await left();
      const { id } = await server.reserve(campaign, "ben");
      const until = async () => Date.parse((await server.operate("GET", `/admin/v1/reservations/${id}`)).expires_at);
      const before = await until();
      const { page, context, errors } = await open(campaign);
      const press = (words) => page.getByRole("button", { name: words, exact: true }).click();
      await page.locator("#extend").fill("10");
      assert.ok(await page.getByRole("button", { name: "Put off" }).isDisabled(), "without a reason");
      await page.locator("#reason").fill("the bank is down");
      await press("Put off");
      assert.equal(await until(), before, "not before it is confirmed");
      await accessible(page, "extend");
      await press("Yes, put them off: All live holds");
      while ((await until()) !== before + 600_000);
      await page.locator("#extend-one").fill(id);
      await press("Put off");
      await press(`Yes, put them off: ${id}`);
      while ((await until()) !== before + 1_200_000);
      while ((await left()) !== seen + 600_000);
      await turnTo(page, "Orders");
      await page.locator("#id").fill(id);
      await page.getByRole("button", { name: "Find" }).click();
      await page.locator(".events li", { hasText: "dev: the bank is down" }).first().waitFor();
      assert.deepEqual(await page.locator(".events li b").allTextContents(), ["held", "put off", "put off"]);
      assert.deepEqual([...errors, ...buyer.errors], []);
      await context.close();
      await buyer.context.close();
    },

    async "console: controls need a reason and change the running sale"() {
      const campaign = name();
      const address = await server.campaign(campaign, { supply: 1, preheat: -2000, line: {} });
      const { page, context } = await open(campaign);
      const press = (words) => page.getByRole("button", { name: words, exact: true }).click();
      assert.ok(await page.getByRole("button", { name: "Pause", exact: true }).isDisabled(), "without a reason");
      await page.locator("#reason").fill("the till is broken");
      await press("Pause");
      await page.getByRole("button", { name: "Resume" }).waitFor();
      assert.equal(await phase(campaign), "paused");
      await press("Resume");
      await page.getByRole("button", { name: "Pause", exact: true }).waitFor();
      assert.equal(await phase(campaign), "open");
      await page.locator("#units").fill("4");
      await page.locator(".row", { has: page.locator("#units") }).getByRole("button").click();
      await shows(page, "unit", [5, 5, 0, 0, 0]);
      await page.locator("#message").fill("Back at nine.");
      await press("Say it");
      const buyer = await web.person();
      await buyer.page.goto(`${address}?lang=en&said=none`);
      await page.getByRole("button", { name: "Take it back", disabled: false }).waitFor();
      await buyer.page.reload();
      await buyer.page.getByText("Back at nine.").waitFor();
      await buyer.context.close();
      await page.locator("#outflow").focus();
      for (let n = 0; n < 3; n++) await page.keyboard.press("ArrowRight");
      await page.locator(".row", { has: page.locator("#outflow") }).getByRole("button").click();
      await page.getByText("Done.").waitFor();
      let line;
      do line = await server.operate("GET", `/admin/v1/campaigns/${campaign}/line`);
      while (line.outflow.per_second !== 3);
      assert.ok(await page.getByRole("button", { name: "End for good" }).isDisabled(), "without its name");
      await page.locator("#end").fill(campaign);
      await press("End for good");
      await page.locator('[aria-current="step"]', { hasText: "closed" }).waitFor();
      assert.equal(await phase(campaign), "closed");
      await context.close();
    },

    async "console: one switch pauses every sale"() {
      const [one, other, later] = [name(), name(), name()];
      await Promise.all([one, other].map((campaign) => server.campaign(campaign, { supply: 1 })));
      await server.campaign(later, { supply: 1, opens: 3_600_000 });
      const { page, context } = await open(one);
      const press = (words) => page.getByRole("button", { name: words, exact: true }).click();
      assert.ok(await page.getByRole("button", { name: "Pause every sale" }).isDisabled(), "without a reason");
      await page.locator("#reason").fill("something is wrong");
      await press("Pause every sale");
      assert.equal(await phase(one), "open", "it asks twice");
      await press("Yes, pause every sale that is open");
      await page.getByText("Sales paused").waitFor();
      assert.deepEqual(await Promise.all([one, other, later].map(phase)), ["paused", "paused", "scheduled"]);
      await context.close();
    },
  };
}

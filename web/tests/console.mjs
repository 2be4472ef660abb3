// The console in a real browser: what it shows is what is, and its controls change the running sale.
import assert from "node:assert/strict";

export function consoleTests(server, web, accessible) {
  let number = 0;
  const name = () => `c${++number}`;
  async function open(campaign) {
    const person = await web.person({ viewport: { width: 1200, height: 900 } });
    const { page } = person;
    await page.goto(`${server.admin}/console`);
    await page.locator("#key").fill(server.token);
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
      await page.locator("#id").fill(id);
      await page.getByRole("button", { name: "Find" }).click();
      await page.getByText(`1299 CNY card ${id}`).waitFor();
      await accessible(page, "console");
      await web.shot(page, "console-en");
      await page.getByRole("button", { name: "中文" }).click();
      await page.getByRole("heading", { name: "库存" }).waitFor();
      await accessible(page, "console zh");
      await web.shot(page, "console-zh");
      assert.deepEqual(errors, []);
      await context.close();
    },

    async "console: controls need a reason and change the running sale"() {
      const campaign = name();
      const address = await server.campaign(campaign, { supply: 1, preheat: -2000, line: {} });
      const { page, context } = await open(campaign);
      const press = (words) => page.getByRole("button", { name: words, exact: true }).click();
      assert.ok(await page.getByRole("button", { name: "Pause" }).isDisabled(), "without a reason");
      await page.locator("#reason").fill("the till is broken");
      await press("Pause");
      await page.getByRole("button", { name: "Resume" }).waitFor();
      assert.equal(await phase(campaign), "paused");
      await press("Resume");
      await page.getByRole("button", { name: "Pause" }).waitFor();
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
  };
}

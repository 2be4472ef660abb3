// `node tests/cost.mjs PROGRAM [RATE] [SECONDS]`: what an open console costs a server that decides RATE
// times a second. Two figures: the server's CPU time in windows with and without a real console open, one
// after the other under the same load; and, after that, the CPU time of one look at everything, from many
// looks in a row. The first has the noise of its windows, the second has none of it.
import { execFileSync, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { startBrowser, startServer } from "./lib.mjs";

const [program, rate = "5000", seconds = "10"] = process.argv.slice(2);
const WINDOWS = 6;
const LOOKS = 300;
const CAMPAIGN = "busy";
/** Of a core, at one look a second: what the console may cost. */
const SHARE_MAX = 0.01;

const ticks = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
const server = await startServer(program);
/** Seconds of CPU that the server has taken: fields 14 and 15 of proc(5)'s stat, after the name in brackets. */
const cpu = () => {
  const stat = readFileSync(`/proc/${server.pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticks;
};
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const percent = (share) => `${(share * 100).toFixed(2)} %`;
const mean = (all) => all.reduce((sum, one) => sum + one, 0) / all.length;

let ok = false;
try {
  await server.campaign(CAMPAIGN, { supply: 4_000_000, buyers_expected: 1_000_000 });
  const web = await startBrowser([server.origin, server.admin], tmpdir());
  const duration = WINDOWS * (Number(seconds) + 3) + 5;
  const args = ["load", server.origin, "--campaign", CAMPAIGN, "--sku", "unit", "--rate", rate, "--duration", `${duration}s`, "--json"];
  const load = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  let told = "";
  load.stdout.on("data", (chunk) => (told += chunk));
  const over = new Promise((done) => load.once("exit", done));
  await wait(3_000);
  const shares = { without: [], with: [] };
  for (let window = 0; window < WINDOWS; window++) {
    const kind = window % 2 ? "with" : "without";
    const person = kind === "with" ? await web.person({ viewport: { width: 1200, height: 900 } }) : null;
    if (person) {
      await person.page.goto(`${server.admin}/console`);
      await person.page.locator("#key").fill(server.token);
      await person.page.getByRole("button", { name: "Sign in" }).click();
      await person.page.locator("#campaign").selectOption(CAMPAIGN);
      await person.page.getByRole("heading", { name: "Stock" }).waitFor();
    }
    await wait(1_000);
    const [began, before] = [performance.now(), cpu()];
    await wait(Number(seconds) * 1_000);
    const share = ((cpu() - before) * 1_000) / (performance.now() - began);
    shares[kind].push(share);
    console.log(`${kind} a console: ${percent(share)} of a core`);
    await person?.context.close();
  }
  await over;
  await web.stop();
  const looked = cpu();
  for (let n = 0; n < LOOKS; n++) {
    await Promise.all([server.operate("GET", `/admin/v1/campaigns/${CAMPAIGN}`), server.text("/metrics")]);
    await server.operate("GET", `/admin/v1/campaigns/${CAMPAIGN}/line`).catch(() => null);
    await server.operate("GET", `/admin/v1/campaigns/${CAMPAIGN}/risk`).catch(() => null);
    await server.operate("GET", `/admin/v1/campaigns/${CAMPAIGN}/funnel`);
  }
  const look = (cpu() - looked) / LOOKS;
  console.log(`difference of the means: ${percent(mean(shares.with) - mean(shares.without))} of a core`);
  console.log(`one look at everything: ${(look * 1_000).toFixed(2)} ms of CPU, so ${percent(look)} of a core at one look a second`);
  const { sold, held } = (await server.operate("GET", `/admin/v1/campaigns/${CAMPAIGN}`)).skus[0];
  console.log(`decided: ${sold + held} units in ${duration} s, asked for at ${rate} a second`);
  if (!told.trim()) console.log("the load said nothing");
  ok = look < SHARE_MAX;
} finally {
  await server.stop();
}
process.exit(ok ? 0 : 1);

// The console: figures of a running sale, a second old at most, and what an operator can do about them.
import { render } from "preact";
import { useState } from "preact/hooks";
import { signal } from "@preact/signals";
import { backlog, campaign, choose, chosen, figures, follow, key, line, may, me, names, refunds, refused, risk, series, signIn, signOut, stale } from "./api";
import { Chart } from "./chart";
import { Controls } from "./controls";
import { Editor } from "./editor";
import { Sources } from "./funnel";
import { Orders } from "./orders";
import { People } from "./people";
import { RiskView } from "./risk";
import { StoreMap, StoresView } from "./stores";
import { lang, phaseWord, t, turnLang, type Word } from "./words";

const VIEWS = ["viewSale", "viewOrders", "viewRisk", "viewStores", "viewCampaigns", "viewPeople"] as const;
const view = signal<(typeof VIEWS)[number]>("viewSale");

const PHASES = ["scheduled", "preheat", "draw", "open", "closed", "settled"];
const number = (value: number, digits = 0): string => value.toLocaleString(lang.value, { maximumFractionDigits: digits });

function SignIn() {
  const [shown, setShown] = useState("");
  return (
    <form class="card" onSubmit={(e) => (e.preventDefault(), signIn(shown.trim()))}>
      {refused.value && <p role="alert">{t("keyWrong")}</p>}
      <label>{t("key")} <input id="key" type="password" autocomplete="current-password" value={shown} onInput={(e) => setShown(e.currentTarget.value)} required /></label>
      <button>{t("signIn")}</button>
      <p>{t("useLink")}</p>
    </form>
  );
}

function Phases() {
  const now = campaign.value!;
  const at = (time: string | null): string => (time && !time.startsWith("1970") ? new Date(time).toLocaleString(lang.value) : "–");
  const is = now.phase === "paused" ? "open" : now.phase;
  return (
    <section>
      <ol class="phases">
        {PHASES.map((phase) => (
          <li key={phase} aria-current={phase === is ? "step" : undefined}>{phase === is ? <b>▸ {phaseWord(now.phase)}</b> : phaseWord(phase)}</li>
        ))}
      </ol>
      <p>{t("opens")} {at(now.opens_at)} · {t("closes")} {at(now.closes_at)}</p>
    </section>
  );
}

function Stock() {
  const waiting = (sku: string): number => figures.value.get(`onrush_buyers_waiting{campaign="${chosen.value}",sku="${sku}"}`) ?? 0;
  return (
    <section aria-labelledby="stock">
      <h2 id="stock">{t("stock")}</h2>
      <div class="scroll" tabIndex={0} role="group" aria-labelledby="stock">
        <table>
          <thead><tr>{(["sku", "supplied", "free", "held", "sold", "waiting"] as const).map((word) => <th key={word} scope="col">{t(word)}</th>)}</tr></thead>
          <tbody>
            {(campaign.value!.skus ?? []).slice(0, 200).map((row) => (
              <tr key={row.sku}><th scope="row">{row.sku}</th>{[row.supplied, row.free, row.held, row.sold, waiting(row.sku)].map((value, n) => <td key={n}>{number(value)}</td>)}</tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Facts({ name, facts }: { name: string; facts: [string, string][] }) {
  return (
    <section aria-label={name}>
      <h2>{name}</h2>
      <dl>{facts.map(([what, value]) => [<dt>{what}</dt>, <dd>{value}</dd>])}</dl>
    </section>
  );
}

/** How waits came out beside what people had been told. */
function promised({ judged, within_p50, within_p90, error_ms_median }: NonNullable<typeof line.value>["promises"]): [string, string][] {
  const share = (part: number): string => (judged ? String(Math.round((100 * part) / judged)) : "–");
  return [
    [t("promises"), number(judged)], [t("withinMiddle"), share(within_p50)], [t("withinRange"), share(within_p90)],
    [t("inRange"), share(within_p90 - within_p50)], [t("offBy"), error_ms_median === null ? "–" : number(Math.round(error_ms_median / 1000))],
  ];
}

function Line() {
  const now = line.value;
  if (!now) return <section><h2>{t("line")}</h2><p>{t("noLine")}</p></section>;
  const skus = campaign.value!.skus ?? [];
  const sum = (field: "held" | "sold"): number => skus.reduce((all, sku) => all + sku[field], 0);
  const steps: [string, number][] = [
    ...(risk.value ? [[t("passed"), risk.value.challenges.passed] as [string, number]] : []),
    [t("joined"), now.joined], [t("serving"), Math.min(now.now_serving, now.joined)],
    [t("held"), sum("held") + sum("sold")], [t("sold"), sum("sold")],
  ];
  const most = Math.max(1, ...steps.map(([, value]) => value));
  return (
    <>
      <Facts name={t("line")} facts={[
        [t("joined"), number(now.joined)], [t("serving"), number(now.now_serving)], [t("outstanding"), number(now.outstanding)],
        [t("perMinute"), number(now.per_minute)], [t("listeners"), number(now.listeners)],
        ...promised(now.promises),
      ]} />
      <section aria-labelledby="funnel">
        <h2 id="funnel">{t("funnel")}</h2>
        <ul class="funnel">{steps.map(([name, value]) => <li key={name}><span>{name}: {number(value)}</span><meter min={0} max={most} value={value} aria-label={name} /></li>)}</ul>
      </section>
    </>
  );
}

function Machine() {
  const of = (name: string): number => figures.value.get(name) ?? 0;
  const syncs = of("onrush_journal_syncs_total");
  return (
    <Facts name={t("machine")} facts={[
      [t("healthy"), of("onrush_engine_healthy") === 1 ? t("good") : t("failed")],
      [t("lsn"), number(of("onrush_durable_lsn"))],
      [t("sync"), syncs ? number(of("onrush_journal_sync_nanoseconds_total") / syncs / 1e6, 2) : "–"],
      [t("inFlight"), `${number(of("onrush_reserves_in_flight"))} / ${number(of("onrush_reserves_in_flight_max"))}`],
      [t("connections"), number(of("onrush_connections_open"))],
      [t("vetoes"), number(of("onrush_vetoes_total"))],
      [t("reminders"), backlog.value ? number(backlog.value.waiting) : "–"],
      [t("remindersFailed"), backlog.value ? number(backlog.value.failed) : "–"],
      [t("refunds"), number(refunds.value) + (refunds.value >= 500 ? "+" : "")],
    ]} />
  );
}

function Sale() {
  const [times, joins, holds, sales, p50, p99] = series.value;
  return (
    <>
      <Phases />
      <div class="grid">
        <Chart label={t("rates")} times={times} rows={[{ name: t("joins"), values: joins }, { name: t("holds"), values: holds, dash: [6, 3] }, { name: t("sales"), values: sales, dash: [2, 2] }]} />
        <Chart label={t("latency")} times={times} rows={[{ name: t("p50"), values: p50 }, { name: t("p99"), values: p99, dash: [6, 3] }]} />
      </div>
      <Stock />
      <Sources />
      <div class="grid"><Line /><Machine /><section aria-label={t("stores")}><h2>{t("stores")}</h2><StoreMap /></section></div>
      {may("operator") && <Controls />}
    </>
  );
}

const SHOWN: Record<(typeof VIEWS)[number], () => preact.JSX.Element> = {
  viewSale: () => (campaign.value ? <Sale /> : <p>{t("none")}</p>),
  viewOrders: () => <Orders key={chosen.value} />,
  viewRisk: () => <RiskView />,
  viewStores: () => <StoresView />,
  viewCampaigns: () => <Editor />,
  viewPeople: () => <People />,
};

function Console() {
  const isIn = key.value && !refused.value;
  const views = VIEWS.filter((name) => name !== "viewPeople" || may("owner"));
  return (
    <>
      <header>
        <h1>{t("title")}</h1>
        <button onClick={turnLang} lang={lang.value === "zh" ? "en" : "zh-CN"}>{t("other")}</button>
        {isIn && me.value && <span>{t("signedInAs")} {me.value.name}, {t((me.value.role ?? "viewer") as Word)}</span>}
        {isIn && <button onClick={signOut}>{t("signOut")}</button>}
      </header>
      {isIn && (
        <nav class="row" aria-label={t("views")}>
          {views.map((name) => <button key={name} aria-current={view.value === name ? "page" : undefined} onClick={() => (view.value = name)}>{t(name)}</button>)}
        </nav>
      )}
      <main>
        {!isIn ? <SignIn /> : (
          <>
            {stale.value && <p role="alert">{t("stale")}</p>}
            <label>{t("campaign")} <select id="campaign" value={chosen.value} onChange={(e) => choose(e.currentTarget.value)}>{names.value.map((name) => <option key={name}>{name}</option>)}</select></label>
            {SHOWN[view.value]()}
          </>
        )}
      </main>
    </>
  );
}

document.documentElement.lang = lang.value === "zh" ? "zh-CN" : "en";
render(<Console />, document.getElementById("console")!);
void follow();

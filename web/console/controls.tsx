// What an operator does to a running sale: each act with a reason, through the admin API's own routes.
import { useState } from "preact/hooks";
import { type Campaign, ask, campaign, chosen, line, may, pathOf } from "./api";
import { Waves } from "./waves";
import { t } from "./words";

/** Sends one act, and says what came of it. */
export function useAct(): { said: string; say: (said: string) => void; act: (method: string, path: string, body: unknown) => Promise<void> } {
  const [said, say] = useState("");
  return {
    said,
    say,
    async act(method, path, body) {
      try {
        await ask(method, path, body);
        say(t("done"));
      } catch (error) {
        say((error as Error).message);
      }
    },
  };
}

export function Controls() {
  const [reason, setReason] = useState("");
  const [end, setEnd] = useState("");
  const [units, setUnits] = useState("");
  const [sku, setSku] = useState("");
  const [text, setText] = useState("");
  const { said, say, act } = useAct();
  const now = campaign.value!;
  const skus = now.skus ?? [];
  const phase = (to: string) => act("POST", pathOf("/phase"), { to, reason });
  const has = reason.trim() !== "";
  return (
    <section aria-labelledby="controls">
      <h2 id="controls">{t("controls")}</h2>
      <label>{t("reason")} <input id="reason" value={reason} maxLength={200} onInput={(e) => setReason(e.currentTarget.value)} /></label>
      <p role="status">{said}</p>
      <div class="row">
        {now.phase === "paused"
          ? <button disabled={!has} onClick={() => phase("open")}>{t("resume")}</button>
          : <button disabled={!has || now.phase !== "open"} onClick={() => phase("paused")}>{t("pause")}</button>}
        <label>{t("confirmEnd")} <input id="end" value={end} autocomplete="off" onInput={(e) => setEnd(e.currentTarget.value)} /></label>
        <button class="danger" disabled={!has || end !== chosen.value} onClick={() => phase("closed")}>{t("end")}</button>
      </div>
      <div class="row">
        <label>{t("sku")} <select value={sku || skus[0]?.sku} onChange={(e) => setSku(e.currentTarget.value)}>{skus.map((row) => <option key={row.sku}>{row.sku}</option>)}</select></label>
        <label>{t("supply")} <input id="units" type="number" value={units} onInput={(e) => setUnits(e.currentTarget.value)} /></label>
        <button disabled={!has || !Number(units)} onClick={() => act("POST", pathOf("/supply"), { sku: sku || skus[0]?.sku, quantity: Number(units), reason })}>{t("apply")}</button>
      </div>
      <StopAll reason={reason} say={say} />
      <Extend reason={reason} act={act} />
      {may("owner") && <Waves reason={reason} say={say} />}
      {line.value && <Outflow reason={reason} act={act} />}
      {line.value && (
        <div class="row">
          <label>{t("message")} <input id="message" value={text} maxLength={200} onInput={(e) => setText(e.currentTarget.value)} /></label>
          <button disabled={!has || !text} onClick={() => act("POST", pathOf("/message"), { text, reason })}>{t("say")}</button>
          <button disabled={!has || !line.value.message} onClick={() => act("POST", pathOf("/message"), { reason })}>{t("takeBack")}</button>
        </div>
      )}
    </section>
  );
}

/** The kill switch: every sale that is open is paused, whichever is chosen. */
function StopAll({ reason, say }: { reason: string; say: (said: string) => void }) {
  const [sure, setSure] = useState(false);
  const ready = reason.trim() !== "";
  const stop = async (): Promise<void> => {
    setSure(false);
    try {
      const open: string[] = [];
      let next: number | null = null;
      do {
        const page: { campaigns: Campaign[]; next_after: number | null } = await ask("GET", `/admin/v1/campaigns?limit=500${next === null ? "" : `&after=${next}`}`);
        open.push(...page.campaigns.filter((row) => row.phase === "open").map((row) => row.campaign));
        next = page.next_after ?? null;
      } while (next !== null);
      const pause = (name: string) => ask("POST", `/admin/v1/campaigns/${encodeURIComponent(name)}/phase`, { to: "paused", reason });
      const told = await Promise.allSettled(open.map(pause));
      const failed = open.filter((_, n) => told[n].status === "rejected");
      say(failed.length ? `${t("stopFailed")}: ${failed.join(", ")}` : `${t("stopped")}: ${open.length}`);
    } catch (error) {
      say((error as Error).message);
    }
  };
  return (
    <div class="row">
      {sure
        ? <button class="danger" disabled={!ready} onClick={() => void stop()}>{t("stopSure")}</button>
        : <button class="danger" disabled={!ready} onClick={() => setSure(true)}>{t("stopAll")}</button>}
    </div>
  );
}

/** Deadlines of live holds, put off: by everybody's leave only, so it is asked twice. */
function Extend({ reason, act }: { reason: string; act: (method: string, path: string, body: unknown) => Promise<void> }) {
  const [minutes, setMinutes] = useState("");
  const [one, setOne] = useState("");
  const [sure, setSure] = useState(false);
  const ready = reason.trim() !== "" && Number(minutes) > 0;
  const path = one.trim() ? `/admin/v1/reservations/${encodeURIComponent(one.trim())}/extend` : pathOf("/extend");
  const send = (): void => {
    setSure(false);
    void act("POST", path, { more_ms: Math.round(Number(minutes) * 60_000), reason });
  };
  return (
    <div class="row">
      <label>{t("extend")} <input id="extend" type="number" min="0" value={minutes} onInput={(e) => (setSure(false), setMinutes(e.currentTarget.value))} /></label>
      <label>{t("extendOne")} <input id="extend-one" value={one} placeholder={t("extendAll")} autocomplete="off" onInput={(e) => (setSure(false), setOne(e.currentTarget.value))} /></label>
      {sure
        ? <button class="danger" disabled={!ready} onClick={send}>{t("extendSure")}: {one.trim() || t("extendAll")}</button>
        : <button disabled={!ready} onClick={() => setSure(true)}>{t("putOff")}</button>}
    </div>
  );
}

function Outflow({ reason, act }: { reason: string; act: (method: string, path: string, body: unknown) => Promise<void> }) {
  const now = line.value!;
  const [wanted, setWanted] = useState<number | null>(null);
  const pace = wanted ?? now.outflow.per_second ?? 0;
  const ahead = Math.max(0, now.places - now.now_serving);
  const rest = { inside: now.outflow.inside ?? undefined, passes_per_unit_max: now.outflow.passes_per_unit_max, shop_latency_ms_max: now.outflow.shop_latency_ms_max };
  return (
    <div class="row">
      <label>{t("outflow")} <input id="outflow" type="range" min="0" max="500" value={pace} onInput={(e) => setWanted(Number(e.currentTarget.value))} /> <output>{pace}</output></label>
      {pace > 0 && <p>{t("finish")} {Math.ceil(ahead / pace / 60)} {t("minutes")}</p>}
      <button disabled={reason.trim() === "" || wanted === null} onClick={() => act("POST", pathOf("/outflow"), { ...rest, per_second: pace || undefined, reason })}>{t("apply")}</button>
    </div>
  );
}

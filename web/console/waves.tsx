// Waves of the chosen campaign: units that come at planned times. The rest of its terms stays as it is.
import { useState } from "preact/hooks";
import { ask, campaign, chosen, pathOf } from "./api";
import { t } from "./words";

interface Wave { at: string; sku: string; quantity: number }

const termsOf = async (): Promise<any> => {
  const { campaign: _, ...terms } = await ask("GET", pathOf("/terms"));
  return Object.fromEntries(Object.entries(terms).filter(([, value]) => value !== null));
};

export function Waves({ reason, say }: { reason: string; say: (said: string) => void }) {
  const [of, setOf] = useState("");
  const [waves, setWaves] = useState<Wave[]>([]);
  // The first so many came already, and stay as they were.
  const [done, setDone] = useState(0);
  const [sure, setSure] = useState(false);
  const skus = (campaign.value?.skus ?? []).map((row) => row.sku);
  const tried = (work: () => Promise<void>) => (): void => void work().catch((error) => say((error as Error).message));
  const change = (next: Wave[]): void => (setSure(false), setWaves(next));
  const show = (planned: Wave[]): void => (change(planned), setDone(planned.filter((wave) => Date.parse(wave.at) <= Date.now()).length));
  const load = tried(async () => {
    const { waves = [] } = await termsOf();
    setOf(chosen.value);
    show(waves);
  });
  const put = tried(async () => {
    setSure(false);
    const planned = [...waves].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
    // What somebody else changed meanwhile stays as they put it.
    await ask("PUT", `${pathOf()}?reason=${encodeURIComponent(reason)}`, { ...(await termsOf()), waves: planned });
    show(planned);
    say(t("done"));
  });
  if (of !== chosen.value) return <div class="row"><button onClick={load}>{t("wavesShow")}</button></div>;
  const set = (n: number, part: Partial<Wave>): void => change(waves.map((wave, at) => (at === n ? { ...wave, ...part } : wave)));
  const good = waves.every((wave) => !isNaN(Date.parse(wave.at)) && wave.quantity > 0);
  return (
    <fieldset class="waves">
      <legend>{t("waves")}</legend>
      {waves.length === 0 && <p>{t("wavesNone")}</p>}
      {waves.map((wave, n) => {
        const past = n < done;
        return (
          <div class="row" key={n}>
            <label>{t("waveAt")} <input value={wave.at} disabled={past} size={24} onInput={(e) => set(n, { at: e.currentTarget.value })} /></label>
            <label>{t("sku")} <select value={wave.sku} disabled={past} onChange={(e) => set(n, { sku: e.currentTarget.value })}>{skus.map((sku) => <option key={sku}>{sku}</option>)}</select></label>
            <label>{t("units")} <input type="number" min="1" value={wave.quantity} disabled={past} onInput={(e) => set(n, { quantity: Number(e.currentTarget.value) })} /></label>
            {!past && <button onClick={() => change(waves.filter((_, at) => at !== n))}>{t("waveDrop")}</button>}
          </div>
        );
      })}
      <div class="row">
        <button onClick={() => change([...waves, { at: new Date(Date.now() + 600_000).toISOString(), sku: skus[0], quantity: 1 }])}>{t("waveAdd")}</button>
        {sure
          ? <button class="danger" disabled={reason.trim() === "" || !good} onClick={put}>{t("wavesSure")}</button>
          : <button disabled={reason.trim() === "" || !good} onClick={() => setSure(true)}>{t("wavesPut")}</button>}
      </div>
    </fieldset>
  );
}

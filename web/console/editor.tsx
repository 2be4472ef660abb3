// Campaigns: written, checked, cloned, put, looked at as a buyer does.
import { useState } from "preact/hooks";
import { ask, campaign, chosen, may, names } from "./api";
import { t, type Word } from "./words";

interface Checked { is_new: boolean; terms_change: boolean; skus_new: string[]; skus_changed: string[]; skus_left_out: number; units_new: number; warnings: string[] }

const PUBLIC = "onrush-public";
const FIELDS = ["title", "opens_at", "closes_at", "limit_per_buyer", "hold"] as const;
const START = { title: "", opens_at: "", closes_at: "", limit_per_buyer: 1, hold: "5m", skus: [{ sku: "unit", price: 100, supply: 10 }], line: {} };

const written = (body: unknown): string => JSON.stringify(body, null, 2);

/** What is empty is left out, so that it takes its default. */
const bodyOf = (text: string): any => Object.fromEntries(Object.entries(JSON.parse(text)).filter(([, value]) => value !== "" && value !== null));

export function Editor() {
  const [name, setName] = useState("");
  const [text, setText] = useState(written(START));
  const [told, setTold] = useState<Checked | null>(null);
  const [said, say] = useState("");
  const [publicAt, setPublicAt] = useState(localStorage.getItem(PUBLIC) ?? `${location.protocol}//${location.hostname}:8080`);
  const path = `/admin/v1/campaigns/${encodeURIComponent(name)}`;
  let body: any = null;
  let wrong = "";
  try {
    body = JSON.parse(text);
  } catch (error) {
    wrong = (error as Error).message;
  }
  async function load(): Promise<void> {
    const terms = await ask("GET", `/admin/v1/campaigns/${encodeURIComponent(chosen.value)}/terms`);
    delete terms.campaign;
    // A clone begins with as many units; in the campaign itself they act once, and never again.
    const supplied = new Map((campaign.value?.skus ?? []).map((row) => [row.sku, row.supplied]));
    terms.skus.forEach((row: any) => (row.supply = supplied.get(row.sku) ?? 0));
    setName(chosen.value);
    setText(written(terms));
    setTold(null);
  }
  async function send(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      setTold(null);
      say((error as Error).message);
    }
  }
  const check = () => send(async () => (setTold(await ask("POST", `${path}/check`, bodyOf(text))), say("")));
  const save = () => send(async () => {
    await ask("PUT", path, bodyOf(text));
    if (!names.value.includes(name)) names.value = [...names.value, name];
    say(t("done"));
  });
  const number = (field: string): boolean => field === "limit_per_buyer";
  return (
    <section aria-labelledby="editor">
      <h2 id="editor">{t("editor")}</h2>
      <div class="row">
        <button onClick={() => void send(load)} disabled={!chosen.value}>{t("load")}: {chosen.value}</button>
        <label>{t("newName")} <input id="name" value={name} maxLength={64} onInput={(e) => (setName(e.currentTarget.value), setTold(null))} /></label>
      </div>
      {body && (
        <div class="row">
          {FIELDS.map((field) => (
            <label key={field}>{field} <input id={`field-${field}`} value={body[field] ?? ""} onInput={(e) => {
              const value = e.currentTarget.value;
              setText(written({ ...body, [field]: number(field) ? Number(value) || 0 : value }));
              setTold(null);
            }} /></label>
          ))}
        </div>
      )}
      <label class="wide">{t("asJson")} <textarea id="json" rows={18} value={text} onInput={(e) => (setText(e.currentTarget.value), setTold(null))} spellcheck={false} /></label>
      {wrong && <p role="alert">{t("badJson")} {wrong}</p>}
      <div class="row">
        <button disabled={!body || !name} onClick={check}>{t("check")}</button>
        {may("owner") && <button disabled={!told} onClick={save}>{t("save")}</button>}
      </div>
      <p role="status">{said}</p>
      {told && <Told told={told} />}
      <div class="row">
        <label>{t("publicAt")} <input id="public" value={publicAt} onInput={(e) => (setPublicAt(e.currentTarget.value), localStorage.setItem(PUBLIC, e.currentTarget.value))} /></label>
        {names.value.includes(name) && /^https?:/.test(publicAt) && <a href={`${publicAt.replace(/\/$/, "")}/drop/${encodeURIComponent(name)}`} target="_blank" rel="noreferrer">{t("preview")}: {name}</a>}
      </div>
    </section>
  );
}

function Told({ told }: { told: Checked }) {
  const changes = told.is_new || told.terms_change || told.skus_new.length + told.skus_changed.length > 0;
  return (
    <div class="told">
      <p>{told.is_new ? t("isNew") : changes ? t("isOld") : t("same")}</p>
      <dl>
        <dt>{t("skusNew")}</dt><dd>{told.skus_new.join(", ") || "–"}</dd>
        <dt>{t("unitsNew")}</dt><dd>{told.units_new}</dd>
        <dt>{t("skusChanged")}</dt><dd>{told.skus_changed.join(", ") || "–"}</dd>
        <dt>{t("skusLeft")}</dt><dd>{told.skus_left_out}</dd>
      </dl>
      {told.warnings.length > 0 && <p>{t("warnings")}</p>}
      <ul>{told.warnings.map((word) => <li key={word}>{t(word as Word)}</li>)}</ul>
    </div>
  );
}

// What risk has seen and done in the chosen campaign, and why.
import { useEffect, useState } from "preact/hooks";
import { ask, chosen, figures, may, risk } from "./api";
import { useAct } from "./controls";
import { lang, t, word } from "./words";

const SHOWN_MAX = 50;
const number = (value: number): string => value.toLocaleString(lang.value);

/** How often each rule of the policy decided in the chosen campaign: its place, from 1, and the count. */
function byRule(): [string, number][] {
  const labels = /^onrush_risk_rules_total\{campaign="([^"]*)",rule="(\d+)"\}$/;
  const all = [...figures.value].map(([figure, times]) => ({ of: labels.exec(figure), times }));
  return all.filter(({ of }) => of?.[1] === chosen.value).map(({ of, times }) => [of![2], times]);
}

export function RiskView() {
  const now = risk.value;
  if (!now) return <p>{t("noRisk")}</p>;
  const counted = new Map<string, { meaning: string; times: number }>();
  for (const { reasons } of now.recent) {
    for (const { signal, meaning } of reasons) counted.set(signal, { meaning, times: (counted.get(signal)?.times ?? 0) + 1 });
  }
  const reasons = [...counted].sort(([, a], [, b]) => b.times - a.times);
  return (
    <>
      <div class="grid">
        <section aria-labelledby="actions">
          <h2 id="actions">{t("decisions")}</h2>
          <dl>
            {Object.entries(now.actions).map(([action, times]) => [<dt>{word(action)}</dt>, <dd>{number(times)}</dd>])}
            <dt>{t("capped")}</dt><dd>{number(now.capped)}</dd>
            <dt>{t("shortened")}</dt><dd>{number(now.shortened)}</dd>
          </dl>
        </section>
        <section aria-labelledby="asked">
          <h2 id="asked">{t("challenge")}</h2>
          <dl>
            <dt>{t("issued")}</dt><dd>{number(now.challenges.issued)}</dd>
            <dt>{t("passed")}</dt><dd>{number(now.challenges.passed)}</dd>
            <dt>{t("failedCount")}</dt><dd>{number(now.challenges.failed)}</dd>
            <dt>{t("thresholds")}</dt><dd>{now.thresholds.map((at) => at?.toFixed(3) ?? "–").join(", ") || "–"} ({number(now.scores)})</dd>
            <dt>{t("model")}</dt><dd>{now.model.name}{now.model.off ? ` – ${t("failed")}` : ""}</dd>
          </dl>
        </section>
        <section aria-labelledby="rules">
          <h2 id="rules">{t("rules")}</h2>
          <dl>{byRule().map(([rule, times]) => [<dt key={rule}>{t("rule")} {rule}</dt>, <dd>{number(times)}</dd>])}</dl>
        </section>
        <section aria-labelledby="reasons">
          <h2 id="reasons">{t("reasons")}</h2>
          <ul class="plain">{reasons.map(([signal, { meaning, times }]) => <li key={signal}>{number(times)} × {meaning}</li>)}</ul>
        </section>
      </div>
      <section aria-labelledby="latest">
        <h2 id="latest">{t("latest")}</h2>
        <div class="scroll" tabIndex={0} role="group" aria-labelledby="latest">
          <table>
            <tbody>
              {now.recent.slice(0, SHOWN_MAX).map((one, n) => (
                <tr key={n}>
                  <th scope="row">{new Date(one.at).toLocaleTimeString(lang.value)}</th>
                  <td>{one.stage}</td><td>{word(one.action)}{one.proof ? ` (${one.proof})` : ""}</td><td>{one.probability.toFixed(3)}</td>
                  <td class="wide">{one.reasons.map((reason) => reason.meaning).join("; ")}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </section>
      <Policy />
    </>
  );
}

function Policy() {
  const [text, setText] = useState("");
  const [reason, setReason] = useState("");
  const { said, act } = useAct();
  useEffect(() => void ask("GET", "/admin/v1/risk/policy").then(({ policy }) => setText(policy)), []);
  return (
    <section aria-labelledby="policy">
      <h2 id="policy">{t("policy")}</h2>
      <textarea aria-labelledby="policy" rows={14} value={text} readOnly={!may("owner")} onInput={(e) => setText(e.currentTarget.value)} spellcheck={false} />
      {may("owner") && (
        <div class="row">
          <label>{t("reason")} <input value={reason} maxLength={200} onInput={(e) => setReason(e.currentTarget.value)} /></label>
          <button disabled={!reason.trim()} onClick={() => void act("PUT", "/admin/v1/risk/policy", { policy: text, reason })}>{t("putPolicy")}</button>
        </div>
      )}
      <p role="status">{said}</p>
    </section>
  );
}

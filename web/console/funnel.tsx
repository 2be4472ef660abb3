// How far people of each channel and touchpoint came, as the server counts them since its start.
import { funnel, type Source } from "./api";
import { lang, t } from "./words";

const STEPS = ["arrived", "challenged", "joined", "passed", "held", "paid"] as const;
const WORDS = { arrived: "arrived", challenged: "checked", joined: "joined", passed: "calledUp", held: "held", paid: "paid" } as const;

const number = (value: number): string => value.toLocaleString(lang.value);
const nameOf = ({ channel, touchpoint, other }: Source): string => (other ? t("otherSources") : [channel, touchpoint].filter(Boolean).join(" · ") || t("noSource"));

export function Sources() {
  const rows = funnel.value;
  const sum = (step: (typeof STEPS)[number]): number => rows.reduce((all, row) => all + row[step], 0);
  const most = Math.max(1, ...STEPS.map(sum));
  return (
    <section aria-labelledby="sources">
      <h2 id="sources">{t("sources")}</h2>
      {rows.length === 0 ? <p>{t("nobody")}</p> : (
        <div class="scroll" tabIndex={0} role="group" aria-labelledby="sources">
          <table>
            <thead><tr><th scope="col">{t("source")}</th>{STEPS.map((step) => <th key={step} scope="col">{t(WORDS[step])}</th>)}</tr></thead>
            <tbody>
              {rows.map((row) => (
                <tr key={nameOf(row)}><th scope="row">{nameOf(row)}</th>{STEPS.map((step) => <td key={step}>{number(row[step])}</td>)}</tr>
              ))}
            </tbody>
            <tfoot><tr><th scope="row">{t("together")}</th>{STEPS.map((step) => <td key={step}>{number(sum(step))}<meter min={0} max={most} value={sum(step)} aria-label={t(WORDS[step])} /></td>)}</tr></tfoot>
          </table>
        </div>
      )}
      <p>{t("sinceStart")}</p>
    </section>
  );
}

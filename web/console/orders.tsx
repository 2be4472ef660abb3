// Reservations and what became of them: search, what happened to one, refunds due, orders at stores.
import { useEffect, useState } from "preact/hooks";
import { ask, chosen, may, pathOf, Refused } from "./api";
import { useAct } from "./controls";
import { lang, t, word } from "./words";

interface Event { lsn: number; at: string; what: string; by?: string; why?: string; [field: string]: unknown }

const money = ({ amount, currency }: { amount: number; currency: string }): string => `${amount / 100} ${currency}`;
const time = (text: string): string => new Date(text).toLocaleString(lang.value);
/** Parts of the journal that are read for one timeline at most. */
const PARTS_MAX = 200;

export function Orders() {
  const [id, setId] = useState("");
  return (
    <>
      <Search id={id} setId={setId} />
      <Reservations choose={setId} />
      <Refunds />
      <AtStores />
    </>
  );
}

function Search({ id, setId }: { id: string; setId: (id: string) => void }) {
  const [found, setFound] = useState<any>(null);
  const [said, say] = useState("");
  async function find(event?: globalThis.Event): Promise<void> {
    event?.preventDefault();
    try {
      setFound(await ask("GET", `/admin/v1/reservations/${encodeURIComponent(id.trim())}`));
      say("");
    } catch {
      setFound(null);
      say(t("notFound"));
    }
  }
  return (
    <section aria-labelledby="search">
      <h2 id="search">{t("search")}</h2>
      <form class="row" onSubmit={find}>
        <label>{t("id")} <input id="id" value={id} onInput={(e) => setId(e.currentTarget.value)} required /></label>
        <button>{t("find")}</button>
      </form>
      <p role="status">{said}</p>
      {found && (
        <>
          <dl>
            <dt>{t("sku")}</dt><dd>{found.quantity} × {found.sku}</dd>
            <dt>{t("state")}</dt><dd>{found.state}</dd>
            <dt>{t("price")}</dt><dd>{money(found.price)}</dd>
            <dt>{t("expires")}</dt><dd>{time(found.expires_at)}</dd>
            <dt>{t("payments")}</dt><dd>{found.payments.map((p: any) => `${money(p)} ${p.method} ${p.reference}`).join("; ") || "–"}</dd>
          </dl>
          {may("operator") && <Decide found={found} again={() => void find()} />}
          <Timeline key={`${found.id} ${found.state}`} id={found.id} />
        </>
      )}
    </section>
  );
}

/** What a person decides about a reservation: a hold under review, a sale to be taken back. */
function Decide({ found, again }: { found: any; again: () => void }) {
  const [reason, setReason] = useState("");
  const [restock, setRestock] = useState(true);
  const { said, act } = useAct();
  const path = `/admin/v1/reservations/${encodeURIComponent(found.id)}`;
  const judge = (accept: boolean): void => void act("POST", `${path}/judge`, { accept, reason }).then(again);
  const has = reason.trim() !== "";
  if (found.state !== "review" && found.state !== "sold") return <p role="status">{said}</p>;
  return (
    <>
      <div class="row">
        <label>{t("reason")} <input id="decide-reason" value={reason} maxLength={200} onInput={(e) => setReason(e.currentTarget.value)} /></label>
        {found.state === "review" && <button disabled={!has} onClick={() => judge(true)}>{t("accept")}</button>}
        {found.state === "review" && <button class="danger" disabled={!has} onClick={() => judge(false)}>{t("reject")}</button>}
        {found.state === "sold" && <label><input type="checkbox" checked={restock} onChange={(e) => setRestock(e.currentTarget.checked)} /> {t("freeAgain")}</label>}
        {found.state === "sold" && <button class="danger" disabled={!has} onClick={() => void act("POST", `${path}/cancel`, { reason, restock }).then(again)}>{t("cancel")}</button>}
      </div>
      <p role="status">{said}</p>
    </>
  );
}

/** Read the journal part by part; it may be long. */
function Timeline({ id }: { id: string }) {
  const [events, setEvents] = useState<Event[]>([]);
  const [begins, setBegins] = useState<number | null>(null);
  const [reading, setReading] = useState(true);
  useEffect(() => {
    let over = false;
    const read = async (): Promise<void> => {
      let from: number | null = 1;
      for (let part = 0; from !== null && part < PARTS_MAX && !over; part++) {
        const told: any = await ask("GET", `/admin/v1/reservations/${encodeURIComponent(id)}/timeline?from=${from}`);
        if (over) return;
        setEvents((known) => [...known, ...told.events]);
        if (part === 0) setBegins(told.journal_begins);
        from = told.next_from;
      }
    };
    void read().catch(() => {}).finally(() => setReading(false));
    return () => void (over = true);
  }, [id]);
  const more = ({ lsn, at, what, by, why, amount, currency, ...rest }: Event): string => {
    const paid = amount === undefined ? [] : [money({ amount: Number(amount), currency: String(currency) })];
    const others = Object.entries(rest).map(([name, value]) => `${word(name)} ${name === "until" ? time(String(value)) : value}`);
    return [...paid, ...others].join(", ");
  };
  return (
    <section aria-labelledby="timeline">
      <h3 id="timeline">{t("timeline")}</h3>
      {begins !== null && <p>{t("from")} {begins}</p>}
      <ol class="events">
        {events.map((event) => (
          <li key={event.lsn}>{time(event.at)} <b>{word(event.what)}</b> {more(event)}{event.by && <> · {event.by}: {event.why}</>}</li>
        ))}
      </ol>
      <p role="status">{reading ? t("reading") : ""}</p>
    </section>
  );
}

/** A list of the admin API, page by page. */
function usePages(path: string, name: string): { rows: any[]; more: (() => void) | null; again: () => void } {
  const [rows, setRows] = useState<any[]>([]);
  const [next, setNext] = useState<number | null>(null);
  const load = async (after: number | null): Promise<void> => {
    const mark = path.includes("?") ? "&" : "?";
    const told = await ask("GET", `${path}${mark}limit=50${after === null ? "" : `&after=${after}`}`);
    setRows((known) => [...(after === null ? [] : known), ...told[name]]);
    setNext(told.next_after);
  };
  const again = (): void => void load(null).catch((why) => why instanceof Refused && setRows([]));
  useEffect(again, [path]);
  return { rows, more: next === null ? null : () => void load(next), again };
}

function Reservations({ choose }: { choose: (id: string) => void }) {
  const { rows, more } = usePages(pathOf("/reservations"), "reservations");
  return (
    <section aria-labelledby="reservations">
      <h2 id="reservations">{t("reservations")} ({chosen.value})</h2>
      <div class="scroll" tabIndex={0} role="group" aria-labelledby="reservations">
        <table>
          <thead><tr>{(["id", "sku", "state", "price"] as const).map((name) => <th key={name} scope="col">{t(name)}</th>)}</tr></thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.id}><th scope="row"><button class="link" onClick={() => choose(row.id)}>{row.id}</button></th><td>{row.quantity} × {row.sku}</td><td>{row.state}</td><td>{money(row.price)}</td></tr>
            ))}
          </tbody>
        </table>
      </div>
      {more && <button onClick={more}>{t("more")}</button>}
    </section>
  );
}

function Refunds() {
  const { rows, more, again } = usePages("/admin/v1/refunds", "refunds");
  const [references, setReferences] = useState<Record<string, string>>({});
  const { said, act } = useAct();
  return (
    <section aria-labelledby="refunds">
      <h2 id="refunds">{t("refundsDue")}</h2>
      <p role="status">{said}</p>
      {!rows.length && <p>{t("noRefunds")}</p>}
      {rows.map(({ refund, reservation, money: sum }) => (
        <form class="row" key={refund} onSubmit={(e) => (e.preventDefault(), void act("POST", `/admin/v1/refunds/${refund}/paid`, { reference: references[refund] }).then(again))}>
          <span>{money(sum)} · {reservation}</span>
          {may("operator") && <label>{t("reference")} <input value={references[refund] ?? ""} required maxLength={128} onInput={(e) => setReferences({ ...references, [refund]: e.currentTarget.value })} /></label>}
          {may("operator") && <button>{t("markPaid")}</button>}
        </form>
      ))}
      {more && <button onClick={more}>{t("more")}</button>}
    </section>
  );
}

const STAGES = ["all", "unrouted", "assigned", "handed_over", "cancelled"] as const;

function AtStores() {
  const [stage, setStage] = useState<(typeof STAGES)[number]>("all");
  const { rows, more } = usePages(`/admin/v1/orders?state=${stage}`, "orders");
  const [why, setWhy] = useState<{ id: string; lines: string[] } | null>(null);
  async function explain(id: string): Promise<void> {
    const told = await ask("GET", `/admin/v1/orders/${encodeURIComponent(id)}?lang=${lang.value}`);
    setWhy({ id, lines: sentences(told.why) });
  }
  return (
    <section aria-labelledby="orders">
      <h2 id="orders">{t("orders")}</h2>
      <label>{t("state")} <select value={stage} onChange={(e) => setStage(e.currentTarget.value as typeof stage)}>{STAGES.map((name) => <option key={name} value={name}>{t(name)}</option>)}</select></label>
      {!rows.length && <p>{t("noOrders")}</p>}
      <ul class="plain">
        {rows.map((row) => (
          <li key={row.id}>
            {row.id}: {row.quantity} × {row.sku}, {word(row.state)}{row.shipments.map((one: any) => ` · ${one.quantity} ${one.node} (${one.state})`)}{" "}
            <button onClick={() => void explain(row.id)} aria-expanded={why?.id === row.id}>{t("why")}</button>
            {why?.id === row.id && <ul>{why!.lines.map((line) => <li key={line}>{line}</li>)}</ul>}
          </li>
        ))}
      </ul>
      {more && <button onClick={more}>{t("more")}</button>}
    </section>
  );
}

/** The sentences of an explanation, wherever they stand in it. */
export function sentences(why: any): string[] {
  if (Array.isArray(why)) return why.map(String);
  if (!why) return ["–"];
  const told = why[lang.value] ?? why.sentences ?? [];
  return [...(why.problem ? [why.problem] : []), ...(Array.isArray(told) ? told : sentences(told))];
}

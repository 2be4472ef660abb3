// The admin API, asked once a second, and the series that charts draw.
import { batch, signal } from "@preact/signals";

const EVERY_MS = 1_000;
/** Points that charts keep: ten minutes. */
const POINTS_MAX = 600;
const SLOWLY = 10;
const STORES_MAX = 500;

export interface Sku { sku: string; price: number; supplied: number; free: number; held: number; sold: number; withdrawn: number }
export interface Campaign { campaign: string; phase: string; currency: string; opens_at: string | null; closes_at: string | null; hold_ms: number; skus?: Sku[] }
export interface Line { joined: number; places: number; now_serving: number; outstanding: number; per_minute: number; paused: boolean; sold_out: boolean; message: string | null; listeners: number; promises: { open: number; judged: number; within_p50: number; within_p90: number; error_ms_median: number | null }; outflow: { per_second: number | null; inside: number | null; passes_per_unit_max: number; shop_latency_ms_max: number } }
export interface Store { node: string; lat: string; lon: string }
/** Figures of the metrics page, by name and labels. */
export type Figures = Map<string, number>;

/** Who is signed in. */
export interface Me { name: string; role: "viewer" | "operator" | "owner" | null; scopes: string[] }
/** What risk has seen, where it looks. */
export interface Risk { actions: Record<string, number>; scores: number; thresholds: (number | null)[]; capped: number; shortened: number; challenges: Record<string, number>; policy: { version: number; name: string }; model: { name: string; faults: number; off: boolean }; recent: Decision[] }
/** How many of one source came how far; both names are empty where nothing was said. */
export interface Source { channel: string; touchpoint: string; other: boolean; arrived: number; challenged: number; joined: number; passed: number; held: number; paid: number }
export interface Decision { at: string; account: string; stage: string; action: string; probability: number; proof?: string; reasons: { signal: string; meaning: string; weight: number }[] }

const KEPT = "onrush-key";
const ONCE = "#once=";
export const key = signal(sessionStorage.getItem(KEPT) ?? "");
export const refused = signal(false);
export const stale = signal(false);
export const me = signal<Me | null>(null);
export const risk = signal<Risk | null>(null);
export const funnel = signal<Source[]>([]);
/** Reminders of the chosen campaign that wait or failed, of all channels. */
export const backlog = signal<{ waiting: number; failed: number } | null>(null);
export const names = signal<string[]>([]);
export const chosen = signal("");
export const campaign = signal<Campaign | null>(null);
export const line = signal<Line | null>(null);
export const figures = signal<Figures>(new Map());
export const refunds = signal(0);
export const stores = signal<Store[]>([]);
/** Seconds since 1970, then one row a series: joins, holds, sales a second; p50, p99 in milliseconds. */
export const series = signal<(number | null)[][]>([[], [], [], [], [], []]);

export class Refused extends Error {}

export async function ask(method: string, path: string, body?: unknown): Promise<any> {
  const headers: Record<string, string> = { authorization: `Bearer ${key.value}` };
  if (body !== undefined) headers["content-type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await answer.text();
  if (answer.status === 401) refused.value = true;
  if (!answer.ok) throw new Refused(text.startsWith("{") ? JSON.parse(text).detail : text);
  return answer.headers.get("content-type")?.includes("json") ? JSON.parse(text) : text;
}

export function signIn(shown: string): void {
  batch(() => {
    key.value = shown;
    refused.value = false;
    me.value = null;
  });
  sessionStorage.setItem(KEPT, shown);
}

/** Trade what stands behind `#once=` for a token; it leaves the address, so that nobody keeps it. */
export async function takeLink(): Promise<void> {
  if (!location.hash.startsWith(ONCE)) return;
  const code = location.hash.slice(ONCE.length);
  history.replaceState(null, "", location.pathname);
  const headers = { "content-type": "application/json" };
  const answer = await fetch("/admin/v1/sign-in", { method: "POST", headers, body: JSON.stringify({ code }) });
  if (answer.ok) signIn((await answer.json()).token);
  else refused.value = true;
}

const RANKS = ["viewer", "operator", "owner"] as const;

/** Whether who is signed in may do what this role may. The server decides; this only hides what it refuses. */
export const may = (role: (typeof RANKS)[number]): boolean => RANKS.indexOf(me.value?.role ?? "viewer") >= RANKS.indexOf(role);

export function signOut(): void {
  sessionStorage.removeItem(KEPT);
  location.reload();
}

export const pathOf = (tail = ""): string => `/admin/v1/campaigns/${encodeURIComponent(chosen.value)}${tail}`;

/** Read the metrics page: `name{labels} value`. */
export function parse(page: string): Figures {
  const all: Figures = new Map();
  for (const row of page.split("\n")) {
    const at = row.lastIndexOf(" ");
    if (at > 0 && row[0] !== "#") all.set(row.slice(0, at), Number(row.slice(at + 1)));
  }
  return all;
}

const RESERVE = 'method="POST",path="/v1/campaigns/{campaign}/reservations"';

/** The bound within which a share of what happened between two pages lies, in milliseconds. */
export function quantile(before: Figures, after: Figures, share: number): number | null {
  const name = "onrush_http_request_duration_seconds_bucket{le=\"";
  const buckets = [...after].filter(([figure]) => figure.startsWith(name) && figure.includes(RESERVE));
  const counted = buckets.map(([figure, value]) => ({
    bound: Number(figure.slice(name.length).split('"')[0].replace("+Inf", "Infinity")),
    count: value - (before.get(figure) ?? 0),
  }));
  counted.sort((a, b) => a.bound - b.bound);
  const all = counted.at(-1)?.count ?? 0;
  if (all <= 0) return null;
  const found = counted.find(({ count }) => count >= share * all)!.bound;
  return found === Infinity ? null : found * 1000;
}

let last: { at: number; figures: Figures; sold: number; held: number; joins: number } | null = null;

function push(now: Figures, shown: Campaign): void {
  const at = performance.now() / 1000;
  const sum = (field: "sold" | "held"): number => (shown.skus ?? []).reduce((all, sku) => all + sku[field], 0);
  const joins = now.get("onrush_line_joins_total") ?? 0;
  const next = { at, figures: now, sold: sum("sold"), held: sum("held"), joins };
  if (last) {
    const seconds = at - last.at;
    const rate = (value: number): number => Math.max(0, value / seconds);
    const sales = next.sold - last.sold;
    const holds = ok(now) - ok(last.figures);
    const row = [Date.now() / 1000, rate(joins - last.joins), rate(holds), rate(sales), quantile(last.figures, now, 0.5), quantile(last.figures, now, 0.99)];
    series.value = series.value.map((column, n) => [...column.slice(-POINTS_MAX + 1), row[n]]);
  }
  last = next;
}

const ok = (all: Figures): number => all.get(`onrush_http_requests_total{${RESERVE},code="ok"}`) ?? 0;

async function look(turn: number): Promise<void> {
  me.value ??= await ask("GET", "/admin/v1/me");
  if (!me.value!.role) {
    refused.value = true;
    return;
  }
  if (turn % SLOWLY === 0 || !chosen.value) {
    const { campaigns } = await ask("GET", "/admin/v1/campaigns?limit=500");
    names.value = campaigns.map((row: Campaign) => row.campaign);
    if (!names.value.includes(chosen.value)) chosen.value = names.value[0] ?? "";
    stores.value = (await ask("GET", `/admin/v1/nodes?limit=${STORES_MAX}`)).nodes;
    refunds.value = (await ask("GET", "/admin/v1/refunds?limit=500")).refunds.length;
    backlog.value = chosen.value ? await ask("GET", pathOf("/reminders")).then(waiting).catch(() => null) : null;
  }
  if (!chosen.value) return;
  const asked = chosen.value;
  const [shown, page, { sources }] = await Promise.all([ask("GET", pathOf()), ask("GET", "/metrics"), ask("GET", pathOf("/funnel"))]);
  // A campaign without a line answers that there is none.
  const its = await ask("GET", pathOf("/line")).catch(() => null);
  const looked = turn % 2 ? risk.value : await ask("GET", pathOf("/risk")).catch(() => null);
  if (asked !== chosen.value) return;
  batch(() => {
    campaign.value = shown;
    line.value = its;
    risk.value = looked;
    funnel.value = sources;
    figures.value = parse(page);
    push(figures.value, shown);
    stale.value = false;
  });
}

/** Add up what waits and what failed over all channels. */
function waiting({ channels }: { channels: Record<string, Record<string, number>> }): { waiting: number; failed: number } {
  const sum = (state: string): number => Object.values(channels).reduce((all, counts) => all + (counts[state] ?? 0), 0);
  return { waiting: sum("waiting"), failed: sum("failed") + sum("unknown") };
}

export function choose(name: string): void {
  last = null;
  batch(() => {
    chosen.value = name;
    campaign.value = null;
    risk.value = null;
    funnel.value = [];
    series.value = [[], [], [], [], [], []];
  });
}

/** Look once a second, for as long as the page is open and signed in. */
export async function follow(): Promise<void> {
  await takeLink().catch(() => (stale.value = true));
  for (let turn = 0; ; turn++) {
    if (key.value && !refused.value && !document.hidden) {
      await look(turn).catch((error) => (stale.value = !(error instanceof Refused)));
    }
    await new Promise((done) => setTimeout(done, EVERY_MS));
  }
}

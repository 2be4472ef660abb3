// Stores as dots on a map of nothing, or of lines that the operator brings; and what would become of an order.
import { useState } from "preact/hooks";
import { ask, campaign, chosen, stores } from "./api";
import { lang, t } from "./words";

type Point = [lon: number, lat: number];

const KEPT = "onrush-map";
/** Lines of one map, and points of all of them: more would make the page slow, and a browser keep it not. */
const LINES_MAX = 5_000;
const POINTS_MAX = 200_000;

/** Read the lines and outlines of GeoJSON (RFC 7946); nothing where there are none. */
export function linesOf(document: any): Point[][] {
  const lines: Point[][] = [];
  let points = 0;
  const isLine = (part: any): boolean => Array.isArray(part?.[0]) && typeof part[0][0] === "number";
  const walk = (part: any): void => {
    if (!Array.isArray(part) || lines.length >= LINES_MAX || points >= POINTS_MAX) return;
    if (!isLine(part)) return part.forEach(walk);
    const line = part.filter((p: any) => Number.isFinite(p[0]) && Number.isFinite(p[1])).map((p: any): Point => [p[0], p[1]]);
    points += line.length;
    if (line.length > 1) lines.push(line);
  };
  const look = (one: any): void => {
    if (one?.features) one.features.forEach(look);
    else if (one?.geometries) one.geometries.forEach(look);
    else if (one?.geometry) look(one.geometry);
    else if (/LineString|Polygon/.test(one?.type ?? "")) walk(one.coordinates);
  };
  look(document);
  return lines;
}

function keptMap(): Point[][] {
  try {
    return linesOf(JSON.parse(localStorage.getItem(KEPT) ?? "null"));
  } catch {
    return [];
  }
}

/** A picture of the stores, and of lines under them. North is up. */
export function StoreMap({ lines = [] }: { lines?: Point[][] }) {
  const placed = stores.value.map((store) => ({ ...store, lat: Number(store.lat), lon: Number(store.lon) }));
  const all = placed.filter((store) => Number.isFinite(store.lat) && Number.isFinite(store.lon));
  if (!all.length) return <p>{t("noStores")}</p>;
  const range = (values: number[]): [number, number] => values.reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
  const [south, north] = range(all.map((store) => store.lat));
  const [west, east] = range(all.map((store) => store.lon));
  const narrow = Math.cos((north * Math.PI) / 180);
  const scale = Math.max(north - south, (east - west) * narrow, 1e-6);
  const x = (lon: number): string => (((lon - (west + east) / 2) * narrow * 90) / scale).toFixed(2);
  const y = (lat: number): string => ((((south + north) / 2 - lat) / scale) * 90).toFixed(2);
  return (
    <>
      <svg viewBox="-50 -50 100 100" class="map" role="img" aria-label={`${all.length} ${t("storesMap")}`}>
        {lines.map((line, n) => <path key={n} d={`M${line.map(([lon, lat]) => `${x(lon)} ${y(lat)}`).join("L")}`} />)}
        {all.map((store) => <circle key={store.node} cx={x(store.lon)} cy={y(store.lat)} r="1.5"><title>{store.node}</title></circle>)}
      </svg>
      <p>{all.length.toLocaleString(lang.value)} {t("storesMap")}</p>
    </>
  );
}

export function StoresView() {
  const [lines, setLines] = useState<Point[][]>(keptMap);
  const [said, say] = useState("");
  async function take(file: File | undefined): Promise<void> {
    if (!file) return;
    const text = await file.text();
    let read: Point[][] = [];
    try {
      read = linesOf(JSON.parse(text));
    } catch {
      // Told below, as every file without lines is.
    }
    if (!read.length) return say(t("badMap"));
    say("");
    setLines(read);
    try {
      localStorage.setItem(KEPT, text);
    } catch {
      // Too large to be kept: it is shown until the page is closed.
    }
  }
  return (
    <>
      <section aria-labelledby="stores">
        <h2 id="stores">{t("stores")}</h2>
        <StoreMap lines={lines} />
        <div class="row">
          <label>{t("geojson")} <input id="geojson" type="file" accept=".json,.geojson,application/geo+json" onChange={(e) => void take(e.currentTarget.files?.[0])} /></label>
          {lines.length > 0 && <button onClick={() => (setLines([]), localStorage.removeItem(KEPT))}>{t("noMap")}</button>}
        </div>
        <p role="status">{said}</p>
      </section>
      <Simulate />
    </>
  );
}

interface Plan { shipments: { node: string; lines: { sku: string; quantity: number }[]; cost: number; promise: { at: string } }[]; unfilled: unknown[]; why: string[] }

const DELIVERIES = ["standard", "one_hour", "four_hours", "same_day", "next_day", "pickup", "ship_from_store"];

function Simulate() {
  const [order, setOrder] = useState({ lat: "", lon: "", sku: "", quantity: "1", delivery: "standard" });
  const [policy, setPolicy] = useState("");
  const [plans, setPlans] = useState<[string, Plan][]>([]);
  const [said, say] = useState("");
  const skus = campaign.value?.skus ?? [];
  const field = (name: "lat" | "lon" | "quantity") => (
    <label>{t(name)} <input id={`order-${name}`} inputMode="decimal" required value={order[name]} onInput={(e) => setOrder({ ...order, [name]: e.currentTarget.value })} /></label>
  );
  async function plan(event: Event): Promise<void> {
    event.preventDefault();
    const wish: Record<string, unknown> = { sku: order.sku || skus[0]?.sku, quantity: Number(order.quantity), destination: { lat: Number(order.lat), lon: Number(order.lon) } };
    if (order.delivery !== "standard") wish.delivery = order.delivery;
    const of = (other?: string): Promise<Plan> => ask("POST", "/admin/v1/routing/dry-run", { campaign: chosen.value, order: wish, lang: lang.value, ...(other ? { policy: other } : {}) });
    try {
      const found: [string, Plan][] = [[t("inForce"), await of()]];
      if (policy.trim()) found.push([t("withOther"), await of(policy)]);
      setPlans(found);
      say("");
    } catch (error) {
      setPlans([]);
      say((error as Error).message);
    }
  }
  return (
    <section aria-labelledby="simulate">
      <h2 id="simulate">{t("simulate")}</h2>
      <form onSubmit={plan}>
        <div class="row">
          {field("lat")}{field("lon")}{field("quantity")}
          <label>{t("sku")} <select value={order.sku || skus[0]?.sku} onChange={(e) => setOrder({ ...order, sku: e.currentTarget.value })}>{skus.slice(0, 200).map((row) => <option key={row.sku}>{row.sku}</option>)}</select></label>
          <label>{t("delivery")} <select value={order.delivery} onChange={(e) => setOrder({ ...order, delivery: e.currentTarget.value })}>{DELIVERIES.map((name) => <option key={name}>{name}</option>)}</select></label>
        </div>
        <label class="wide">{t("other_policy")} <textarea id="other-policy" rows={6} value={policy} onInput={(e) => setPolicy(e.currentTarget.value)} spellcheck={false} /></label>
        <p><button>{t("plan")}</button></p>
      </form>
      <p role="status">{said}</p>
      <div class="grid">
        {plans.map(([name, found]) => (
          <section key={name} aria-label={name}>
            <h3>{name}</h3>
            {!found.shipments.length && <p>{t("nothing")}</p>}
            <ul class="plain">{found.shipments.map((one) => <li key={one.node}><b>{one.node}</b>: {one.lines.map((l) => `${l.quantity} × ${l.sku}`).join(", ")}, {t("promised")} {new Date(one.promise.at).toLocaleString(lang.value)}</li>)}</ul>
            <ul>{found.why.map((line) => <li key={line}>{line}</li>)}</ul>
          </section>
        ))}
      </div>
    </section>
  );
}

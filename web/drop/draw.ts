// Draws again in the browser, from public data only, by the rule of docs/draw.md.

export {};

type Person = [pseudonym: string, kind: number];

const { campaign = "", t = "{}" } = document.body.dataset;
const texts: Record<string, string> = JSON.parse(t);
const RULE = "6f3ee55853c2df18ac2ca0d4f8b768a28d69bcc11b7e7efa3ef0691aeb59ba69";
const PAGE = 10_000;
const SHOWN_MAX = 50;

const say = document.getElementById("say")!;
const button = document.getElementById("check") as HTMLButtonElement;
const utf8 = new TextEncoder();
const fill = (text: string, places: Record<string, unknown>): string =>
  text.replace(/\{(\w+)\}/g, (_, name) => String(places[name]));

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const first64 = (bytes: Uint8Array): bigint => BigInt("0x" + hex(bytes.subarray(0, 8)));

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
}

const sha256 = async (...parts: Uint8Array[]): Promise<Uint8Array> =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", joined(...parts)));

/** −log2((u+1)/2^64) with 48 binary digits, bit by bit: no floating point, so every language agrees. */
export function minusLog2(u: bigint): bigint {
  const one = u + 1n;
  if (one === 1n << 64n) return 0n;
  const zeros = 64n - BigInt(one.toString(2).length);
  let mantissa = one << zeros;
  let fraction = 0n;
  for (let n = 0; n < 48; n++) {
    const square = mantissa * mantissa;
    const bit = square >> 127n;
    mantissa = square >> (63n + bit);
    fraction = 2n * fraction + bit;
  }
  return ((zeros + 1n) << 48n) - fraction;
}

async function participants(): Promise<Person[]> {
  const people: Person[] = [];
  let after = "";
  for (;;) {
    const answer = await fetch(`/v1/campaigns/${campaign}/draw/participants?lane=0&limit=${PAGE}${after}`);
    if (!answer.ok) throw new Error((await answer.json()).detail);
    const page = await answer.json();
    people.push(...page.participants);
    if (page.next_after === null || page.next_after === undefined) return people;
    after = `&after=${page.next_after}`;
  }
}

function same(what: string, published: string, computed: string): void {
  if (published !== computed) throw new Error(what);
}

async function ranks(draw: any, people: Person[]): Promise<Person[]> {
  const seed = unhex(draw.seed);
  const rule = await sha256(utf8.encode(draw.rule));
  same("rule", hex(rule), RULE);
  same("commitment", draw.commitment, hex(await sha256(utf8.encode("onrush draw v1\0"), rule, seed)));
  const list = joined(...people.flatMap(([pseudonym, kind]) => [unhex(pseudonym), Uint8Array.of(kind)]));
  const digest = await sha256(list);
  same("list_digest", draw.list_digest, hex(digest));
  same("participants", String(people.length), String(new Set(people.map(([pseudonym]) => pseudonym)).size));
  const value = utf8.encode(draw.public_value ?? "");
  const turn = (await sha256(utf8.encode("onrush turn v1\0"), digest, value)).subarray(0, 8);
  same("turn", draw.turn, hex(turn));
  const key = await crypto.subtle.importKey("raw", joined(seed), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const keyed = await Promise.all(
    people.map(async (person) => {
      const spot = first64(new Uint8Array(await crypto.subtle.sign("HMAC", key, joined(unhex(person[0])))));
      const turned = BigInt.asUintN(64, spot + first64(turn));
      return { person, at: minusLog2(turned) / BigInt(draw.weights[person[1]]) };
    }),
  );
  keyed.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : a.person[0] < b.person[0] ? -1 : 1));
  return keyed.map(({ person }) => person);
}

async function check(): Promise<void> {
  say.textContent = texts.checking;
  const draw = await (await fetch(`/v1/campaigns/${campaign}/draw?lane=0`)).json();
  if (!draw.seed) {
    say.textContent = fill(texts.draw_later, { c: draw.commitment });
    return;
  }
  const own = document.getElementById("pseudonym")?.textContent;
  try {
    const order = await ranks(draw, await participants());
    const rank = order.findIndex(([pseudonym]) => pseudonym === own);
    const yours = rank < 0 ? "" : " " + fill(texts.your_rank, { n: rank + 1 });
    say.textContent = fill(texts.draw_ok, { n: order.length }) + yours;
    const rows = order.slice(0, SHOWN_MAX).map(([pseudonym]) => {
      const row = document.createElement("li");
      row.textContent = pseudonym;
      return row;
    });
    document.getElementById("ranks")!.replaceChildren(...rows);
  } catch (error) {
    say.textContent = fill(texts.draw_bad, { what: (error as Error).message });
  }
}

button.hidden = false;
button.addEventListener("click", () => void check());

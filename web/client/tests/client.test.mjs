// The client against a real server: `ONRUSH=PROGRAM node --test`.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { after, before, test } from "node:test";
import { ASKS_EVERYBODY } from "../../tests/check.mjs";
import { startServer } from "../../tests/lib.mjs";
import { TYPES, typesFrom } from "../../types.mjs";
import { firstWord, memoryStorage, miniStorage, miniTransport, NoAnswer, Onrush, Refused, SaleClock, fetchTransport } from "../dist/test.js";

let server;
let asking;
let number = 0;
const name = () => `n${++number}`;
before(async () => {
  [server, asking] = await Promise.all([startServer(process.env.ONRUSH), startServer(process.env.ONRUSH, ASKS_EVERYBODY)]);
});
after(() => Promise.all([server?.stop(), asking?.stop()]));

/** A transport of one buyer, that can lose answers and counts what it sends. */
function buyer(as) {
  const real = fetchTransport();
  const spy = { sent: [], lose: 0 };
  spy.transport = async (sent) => {
    spy.sent.push(sent);
    const answer = await real({ ...sent, headers: { ...sent.headers, "x-onrush-buyer": as } });
    if (spy.lose-- > 0) throw new Error("the network broke");
    return answer;
  };
  return spy;
}

const client = (spy, more = {}) => new Onrush({ origin: server.origin, transport: spy.transport, storage: memoryStorage(), events: null, ...more });
const listed = async (on, campaign) => (await on.operate("GET", `/admin/v1/campaigns/${campaign}/reservations`)).reservations;
const until = (reached) => new Promise((done) => {
  const look = () => (reached() ? done() : setTimeout(look, 5));
  look();
});

test("types are those of the server", async () => {
  assert.equal(readFileSync(TYPES, "utf8"), await typesFrom(server), "run `node types.mjs PROGRAM` in web/");
});

test("a wish counts once, after no answer and after a reload", async () => {
  const campaign = name();
  await server.campaign(campaign, { limit_per_buyer: 3 });
  const storage = memoryStorage();
  const spy = buyer("ann");
  spy.lose = 1;
  await assert.rejects(client(spy, { storage }).reserve(campaign, { sku: "unit", quantity: 1 }), NoAnswer);
  // Another page, the same storage; the fields in another order.
  const first = await client(spy, { storage }).reserve(campaign, { quantity: 1, sku: "unit" });
  assert.deepEqual((await listed(server, campaign)).map(({ id }) => id), [first.id]);
  const again = await client(spy, { storage }).reserve(campaign, { sku: "unit", quantity: 1 });
  assert.equal(again.id, first.id);
  const other = await client(spy, { storage }).reserve(campaign, { sku: "unit", quantity: 2 });
  assert.notEqual(other.id, first.id, "another wish");
  await client(spy, { storage }).release(first.id);
  const next = await client(spy, { storage }).reserve(campaign, { sku: "unit", quantity: 1 });
  assert.notEqual(next.id, first.id, "given up, so it is wanted anew");
});

test("where a buyer comes from is said when joining", async () => {
  const campaign = name();
  await server.campaign(campaign, { opens: 600_000, preheat: -1000, line: {} });
  const from = { channel: "mini program", touchpoint: "a&b" };
  await client(buyer("ann"), { from }).join(campaign);
  await client(buyer("ben")).join(campaign);
  const { sources } = await server.operate("GET", `/admin/v1/campaigns/${campaign}/funnel`);
  const joined = sources.map(({ channel, touchpoint, joined }) => [channel, touchpoint, joined]);
  assert.deepEqual(joined, [["", "", 1], ["mini program", "a&b", 1]]);
});

test("a refusal says why, and keeps the key for the next try", async () => {
  const campaign = name();
  await server.campaign(campaign, { supply: 1 });
  const eve = client(buyer("eve"));
  const { id } = await eve.reserve(campaign, { sku: "unit" });
  const spy = buyer("ann");
  const ann = client(spy);
  await assert.rejects(ann.reserve(campaign, { sku: "unit" }), (why) => why instanceof Refused && why.code === "all_held" && why.problem.retryable);
  await eve.release(id);
  assert.equal((await ann.reserve(campaign, { sku: "unit" })).state, "held");
  const keys = spy.sent.filter(({ method }) => method === "POST").map(({ headers }) => headers["idempotency-key"]);
  assert.equal(keys.length, 2);
  assert.equal(keys[0], keys[1]);
  assert.match(keys[0], /^[\w-]{22}$/);
});

test("a place in line is followed to the pass, without EventSource", async () => {
  const campaign = name();
  await server.campaign(campaign, { opens: 3_600_000, preheat: -1000, line: { pass: "20m" } });
  const spy = buyer("ann");
  const ann = client(spy);
  const { ticket } = await ann.join(campaign);
  assert.equal((await ann.join(campaign)).ticket, ticket, "one place");
  const seen = [];
  const stop = ann.watch(campaign, ticket, (now) => seen.push(now), assert.fail);
  await until(() => seen.length);
  assert.equal(seen[0].state, "before_draw");
  await server.open(campaign);
  await until(() => seen.at(-1).state === "served");
  stop();
  const held = await ann.reserve(campaign, { sku: "unit" }, seen.at(-1).pass);
  assert.equal(held.state, "held");
  const looks = spy.sent.filter(({ url }) => url.includes("/tickets/"));
  assert.ok(looks.slice(1).every(({ headers }) => headers["if-none-match"]), "what is known is not sent again");
});

test("events hurry a look", async () => {
  const campaign = name();
  await server.campaign(campaign, { opens: 3_600_000, preheat: -1000, line: {} });
  let hear;
  let closed = false;
  const events = (url) => {
    assert.equal(url, `${server.origin}/v1/campaigns/${campaign}/events`);
    return { addEventListener: (kind, heard) => kind === "line" && (hear = heard), close: () => (closed = true) };
  };
  const spy = buyer("ann");
  // A pace at which nothing but an event makes the second look.
  const transport = async (sent) => {
    const answer = await spy.transport(sent);
    return { ...answer, headers: { ...answer.headers, "onrush-next-poll-ms": "3600000" } };
  };
  const ann = client(spy, { transport, events, random: () => 0 });
  const { ticket } = await ann.join(campaign);
  let looks = 0;
  const stop = ann.watch(campaign, ticket, () => looks++);
  await until(() => looks === 1);
  const line = (message) => hear({ data: JSON.stringify({ phase: "preheat", paused: false, sold_out: false, message }) });
  const asked = () => spy.sent.filter(({ method, url }) => method === "GET" && url.includes("/tickets/")).length;
  line("one");
  assert.equal(asked(), 1, "the first one is the present state");
  line("two");
  await until(() => asked() === 2);
  stop();
  assert.ok(closed);
});

test("who gets no answer backs off, further each time, and not forever", async () => {
  const waits = [];
  const real = globalThis.setTimeout;
  globalThis.setTimeout = (act, ms, ...more) => (act.name === "look" && ms >= 1_000 ? (waits.push(ms), real(act, 0, ...more)) : real(act, ms, ...more));
  try {
    const failed = [];
    const gone = new Onrush({ transport: () => Promise.reject(new Error("off")), storage: memoryStorage(), events: null, random: () => 0 });
    const stop = gone.watch("drop", "t", assert.fail, (why) => failed.push(why));
    await until(() => failed.length >= 8);
    stop();
    assert.ok(failed.every((why) => why instanceof NoAnswer));
    assert.deepEqual(waits.slice(0, 7), [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
  } finally {
    globalThis.setTimeout = real;
  }
});

test("sale time is the server's, whatever the device says", async () => {
  let now = 0;
  const ways = [300, 20, 90, 400];
  const clock = new SaleClock(async () => {
    const way = ways.shift();
    now += way / 2;
    const unix_ms = 1_000_000 + now;
    now += way / 2;
    return { unix_ms };
  }, () => now);
  assert.ok(Number.isNaN(clock.now()));
  await clock.sync();
  assert.equal(clock.now(), 1_000_000 + now);
  now += 5_000;
  assert.equal(clock.now(), 1_000_000 + now);
  const none = new SaleClock(() => Promise.reject(new Error("off")), () => 0);
  await assert.rejects(none.sync(), /off/);
  const real = client(buyer("ann"));
  await real.clock.sync();
  assert.ok(Math.abs(real.clock.now() - Date.now()) < 60_000);
});

for (const kind of ["time_lock", "work"]) {
  test(`a challenge is answered by ${kind}`, async () => {
    const campaign = name();
    await asking.campaign(campaign);
    const spy = buyer(`ann-${kind}`);
    const transport = (sent) => {
      // What a device without big integers asks for.
      const body = kind === "work" && sent.url.endsWith("/challenges") ? sent.body.replace('"time_lock"', '"work"') : sent.body;
      return spy.transport({ ...sent, body });
    };
    const ann = new Onrush({ origin: asking.origin, transport, storage: memoryStorage(), events: null });
    const held = await ann.reserve(campaign, { sku: "unit" });
    assert.equal(held.state, "held");
    const reserves = spy.sent.filter(({ url }) => url.endsWith("/reservations"));
    assert.equal(reserves.length, 2, "asked, and asked again with the proof");
    assert.equal(reserves[0].headers["idempotency-key"], reserves[1].headers["idempotency-key"]);
    const bare = spy.sent.filter(({ body }) => body?.includes(`"${kind}"`));
    assert.equal(bare.length, 1);
    // Before it is asked for: one request is enough.
    await ann.release(held.id);
    const parts = [];
    await ann.prove(campaign, 1, (part) => parts.push(part));
    assert.ok(parts.every((part) => part > 0 && part <= 1));
    await ann.reserve(campaign, { sku: "unit" });
    assert.equal(spy.sent.filter(({ url }) => url.endsWith("/reservations")).length, 3);
  });
}

test("SHA-256 is that of the standard", () => {
  for (const length of [0, 1, 3, 55, 56, 63, 64, 65, 119, 120, 127, 128, 1_000]) {
    const text = new Uint8Array(length).map((_, at) => (at * 7 + length) & 255);
    assert.equal(firstWord(text), createHash("sha256").update(text).digest().readInt32BE(0), `${length} bytes`);
  }
});

/** A mini program's request, as its documentation has it: names of headers as the device likes, no `fetch`. */
const wxRequest = (as) => ({ url, method, header, data, dataType, responseType, success, fail }) => {
  assert.deepEqual([dataType, responseType], ["text", "text"]);
  const sent = httpRequest(url, { method, headers: { ...header, "x-onrush-buyer": as } }, (answer) => {
    const chunks = [];
    answer.on("data", (chunk) => chunks.push(chunk));
    answer.on("end", () => {
      const named = Object.entries(answer.headers).map(([name, value]) => [name.replace(/(^|-)./g, (letter) => letter.toUpperCase()), value]);
      success({ statusCode: answer.statusCode, data: Buffer.concat(chunks).toString(), header: Object.fromEntries(named) });
    });
  });
  sent.on("error", (error) => fail({ errMsg: `request:fail ${error.message}` }));
  sent.end(data);
};

test("a mini program buys, with its own request and storage", async () => {
  const campaign = name();
  await server.campaign(campaign, { preheat: -2000, line: { pass: "20m" }, waitlist: {} });
  const kept = new Map();
  const wx = {
    getStorageSync: (name) => kept.get(name) ?? "",
    setStorageSync: (name, value) => void kept.set(name, value),
    removeStorageSync: (name) => void kept.delete(name),
  };
  const mini = new Onrush({ origin: server.origin, transport: miniTransport(wxRequest("mini")), storage: miniStorage(wx), events: null });
  await mini.clock.sync();
  const shown = await mini.campaign(campaign);
  assert.equal(shown.skus[0].price.amount, 129_900);
  const { ticket } = await mini.join(campaign);
  const pass = await new Promise((done) => {
    const stop = mini.watch(campaign, ticket, (now) => now.pass && (stop(), done(now.pass)), assert.fail);
  });
  const held = await mini.reserve(campaign, { sku: "unit", attribution: { channel: "mini_program" } }, pass);
  assert.equal((await mini.reservation(held.id)).state, "held");
  assert.equal(kept.size, 2, "the key, and which reservation it made");
  await mini.release(held.id);
  assert.equal(kept.size, 0);
  const nowhere = new Onrush({ origin: "http://127.0.0.1:9", transport: miniTransport(wxRequest("mini")), storage: memoryStorage(), events: null });
  await assert.rejects(nowhere.campaign(campaign), NoAnswer);
});

test("a code from another device signs in", async () => {
  const campaign = name();
  await server.campaign(campaign, { opens: 3_600_000, preheat: -1000, line: {} });
  const ann = client(buyer("ann"));
  const { ticket } = await ann.join(campaign);
  const made = await fetch(`${server.origin}/v1/campaigns/${campaign}/tickets/${ticket}/handoff`, { method: "POST", headers: { "x-onrush-buyer": "ann" } });
  const { handoff } = await made.json();
  const there = new Onrush({ origin: server.origin, storage: memoryStorage(), events: null });
  await there.signIn({ handoff });
  assert.equal((await there.join(campaign)).ticket, ticket);
});

test("an answer that is none of ours is no answer", async () => {
  const proxy = async () => ({ status: 502, headers: {}, body: "<html>Bad gateway</html>" });
  const ann = new Onrush({ transport: proxy, storage: memoryStorage(), events: null });
  await assert.rejects(ann.campaign("drop"), NoAnswer);
});

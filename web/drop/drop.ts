// Keeps the drop page fresh. The server renders every state; this counts down on the server's clock,
// looks whether the page is out of date, puts the new one in place, and sends forms without a reload.
// Nothing here decides anything, and nothing leads a hidden tab away.

import { follow, saleTime } from "./clock";
import { share } from "./tabs";

type News = Record<string, any>;

const { campaign = "", lang = "en", t = "{}" } = document.body.dataset;
const texts: Record<string, string> = JSON.parse(t);
const say = document.getElementById("say")!;
const live = (): HTMLElement => document.getElementById("live")!;
const numbers = new Intl.NumberFormat(lang);
const times = new Intl.DateTimeFormat(lang, { dateStyle: "medium", timeStyle: "medium" });
const each = <E extends HTMLElement>(selector: string, act: (element: E) => void): void =>
  document.querySelectorAll<E>(selector).forEach(act);
const fill = (text: string, places: Record<string, unknown>): string =>
  text.replace(/\{(\w+)\}/g, (_, name) => String(places[name]));

/** Milliseconds before a deadline at which a screen reader is told. */
const MILESTONES = [600_000, 60_000, 10_000];
const LOOK_MS = 5_000;
/** Pages are not loaded more often than this, and after a start not all at once. */
const RENEW_MS_MIN = 1_000;
const SPREAD_MS = 3_000;

let loadedAt = 0;
let renewing = false;
let stale = false;

// --- the page itself ---

/** Put what a page says in the place of what this one says. */
function show(html: string, byHand: boolean): void {
  const page = new DOMParser().parseFromString(html, "text/html");
  const next = page.getElementById("live");
  if (!next) return location.reload();
  const old = live();
  const focused = document.activeElement;
  const kept = old.contains(focused) ? focused!.id : "";
  const typed = new Map<string, string>();
  old.querySelectorAll<HTMLInputElement>("input[id]").forEach((input) => typed.set(input.id, input.value));
  const changed = next.dataset.stage !== old.dataset.stage;
  old.replaceWith(document.adoptNode(next));
  document.title = page.title;
  if (!byHand) typed.forEach((value, id) => ((document.getElementById(id) as HTMLInputElement | null) ?? { value }).value = value);
  if (byHand) document.getElementById("head")?.focus();
  else if (kept) document.getElementById(kept)?.focus();
  if (changed) announce(next.dataset.say ?? "");
  dress();
}

const announce = (text: string): void => {
  say.textContent = text;
};

/** Load this page again, at most once a second; what is heard meanwhile may be newer than what comes. */
async function renew(): Promise<void> {
  stale = true;
  if (renewing) return;
  renewing = true;
  while (stale) {
    const wait = loadedAt + RENEW_MS_MIN - performance.now();
    if (wait > 0) await new Promise((done) => setTimeout(done, wait));
    stale = false;
    try {
      const address = new URL(location.href);
      address.searchParams.delete("said");
      const page = await fetch(address, { cache: "no-store" });
      if (page.ok) show(await page.text(), false);
    } catch {
      // The next look tries again.
    }
    loadedAt = performance.now();
  }
  renewing = false;
}

/** Times in the reader's own zone; what needs a script becomes visible. */
function dress(): void {
  each("time", (time) => {
    const at = new Date(time.getAttribute("datetime")!);
    time.textContent = times.format(at);
  });
  each("[data-locate]", (button) => (button.hidden = !("geolocation" in navigator)));
  check();
  tick();
}

// --- time ---

const left = (ms: number): string => {
  const s = Math.ceil(ms / 1000);
  const two = (n: number): string => String(n).padStart(2, "0");
  const days = Math.floor(s / 86_400);
  return `${days ? days + ":" : ""}${two(Math.floor(s / 3600) % 24)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
};

let before = NaN;

function tick(): void {
  const now = saleTime();
  if (isNaN(now)) return;
  each("[data-until]", (timer) => {
    const until = Number(timer.dataset.until);
    const ms = Math.max(0, until - now);
    timer.textContent = fill(texts.in, { t: left(ms) });
    const passed = MILESTONES.find((at) => until - now <= at && until - before > at);
    if (passed) announce(fill(texts.left, { t: left(passed) }));
    if (until <= now && until > before) due();
  });
  before = now;
}

/** A deadline is here. Nobody waits for a page to open what can be opened at once. */
function due(): void {
  each("[data-open]", (part) => {
    part.hidden = false;
    announce(texts.started);
  });
  setTimeout(renew, Math.random() * (document.querySelector("[data-open]") ? SPREAD_MS : 300));
}

// --- news ---

/** What of an answer makes a page out of date, in the words of the server. */
function signature(news: News): string {
  if (news.skus) {
    const stock = news.skus.map((sku: News) => (sku.available === 0 || sku.available === "none" ? 0 : 1));
    return `${news.phase} ${stock.join("")}`;
  }
  if ("now_serving" in news) {
    return `${news.phase} ${news.state} ${news.paused ? "paused" : ""} ${news.sold_out ? "sold_out" : ""}`;
  }
  // A deadline may be put off.
  return news.expires_at ? `${news.state} ${news.expires_at}` : news.state;
}

/** What the last event said, whichever tab heard it: a tab that takes over sees what came in between. */
let heard = "";

function hear({ about, news }: { about: string; news: News }): void {
  if (about === "line") return void (heard = news.said);
  if (about === "event" || about !== live().dataset.watch) return void renew();
  if (signature(news) !== live().dataset.sig) return void renew();
  each("[data-bind]", (place) => {
    const name = place.dataset.bind!;
    if (name === "eta") place.textContent = eta(news.eta) || place.textContent;
    else if (name === "odds") place.textContent = texts[`odds_${news.odds}`] ?? place.textContent;
    else if (name in news) place.textContent = numbers.format(news[name]);
  });
}

function eta(range?: { p50_ms: number; p90_ms: number }): string {
  if (!range) return "";
  if (range.p90_ms < 60_000) return texts.under;
  const [a, b] = [range.p50_ms, range.p90_ms].map((ms) => Math.ceil(ms / 60_000));
  return fill(texts.minutes, { a: numbers.format(a), b: numbers.format(Math.max(b, a + 1)) });
}

/** Look, and listen, until told to stop. */
function lead(): () => void {
  let timer = 0;
  const look = async (): Promise<void> => {
    clearTimeout(timer);
    let wait = LOOK_MS;
    const about = live().dataset.watch!;
    try {
      const answer = await fetch(about);
      const news = await answer.json();
      wait = Number(answer.headers.get("onrush-next-poll-ms")) || news.poll_after_ms || news.next_poll_ms || wait;
      // What is no longer there is another page, too.
      tell({ about, news: answer.ok ? news : {} });
    } catch {
      // The next look tries again.
    }
    clearTimeout(timer);
    timer = setTimeout(look, wait);
  };
  const tell = (news: { about: string; news: News }): void => {
    others(news);
    hear(news);
  };
  const events = "EventSource" in window ? new EventSource(`/v1/campaigns/${campaign}/events`) : undefined;
  events?.addEventListener("line", ({ data }) => {
    const { phase, paused, sold_out, message } = JSON.parse(data);
    const said = JSON.stringify([phase, paused, sold_out, message]);
    // A tab that heard nothing yet knows what its page was when it came.
    const is_new = heard ? heard !== said : performance.now() - loadedAt > SPREAD_MS;
    tell({ about: "line", news: { said } });
    // Everybody hears it at once; not everybody asks at once.
    if (is_new) setTimeout(() => tell({ about: "event", news: {} }), Math.random() * SPREAD_MS);
  });
  events?.addEventListener("error", () => events.readyState === 2 && events.close());
  look();
  return () => {
    clearTimeout(timer);
    events?.close();
  };
}

// --- the check that a join or a reserve may need ---

let checker: Worker | undefined;
let checkFailed = false;
/** What was refused for want of a proof, to be sent again with one. */
let again: (() => void) | undefined;

/** Answer a challenge in the background. Where that fails there is the form, which does it by waiting. */
function check(): void {
  const card = document.getElementById("check");
  if (!card || checkFailed) return;
  card.querySelector("form")!.hidden = true;
  if (checker) return;
  let quarter = 0;
  checker = new Worker(card.dataset.worker!);
  const over = (): void => {
    checker!.terminate();
    checker = undefined;
  };
  const shown = (): HTMLElement | null => document.querySelector<HTMLElement>("#check:not([hidden])");
  const failed = (): void => {
    over();
    checkFailed = true;
    each("#check, #check form", (part) => (part.hidden = false));
    announce(texts.check_failed);
  };
  checker.onerror = failed;
  checker.onmessage = ({ data: { part, proof, until } }) => {
    if (part) {
      each<HTMLProgressElement>("#check progress", (bar) => (bar.value = part));
      if (shown() && Math.floor(part * 4) > quarter) announce(fill(texts.check, { n: 25 * (quarter = Math.floor(part * 4)) }));
      return;
    }
    if (!proof) return failed();
    over();
    const age = Math.floor((Date.parse(until) - saleTime()) / 1000) || 1_500;
    document.cookie = `onrush_proof=${proof}; path=/drop/${campaign}; max-age=${age}; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;
    // One that is about to be over is no proof any more; the page says so, and there is another check.
    setTimeout(renew, (age - 90) * 1000);
    if (shown()) announce(texts.check_done);
    each("#check", (done) => done.remove());
    again?.();
  };
  checker.postMessage({ campaign, level: Number(card.dataset.level) });
}

// --- forms and buttons ---

/** Send a form. When no answer comes the same form can be sent again: its key makes it count once. */
async function send(form: HTMLFormElement, isAgain = false): Promise<void> {
  again = undefined;
  if (form.ariaBusy === "true") return;
  form.ariaBusy = "true";
  each("button", (button) => button.setAttribute("aria-disabled", "true"));
  try {
    const body = new URLSearchParams(new FormData(form) as unknown as Record<string, string>);
    const page = await fetch(form.action, { method: "POST", body });
    if (page.redirected) history.replaceState(null, "", page.url);
    const html = await page.text();
    form.ariaBusy = "false";
    if (!isAgain && page.url.includes("said=challenge_required")) again = () => void send(form, true);
    show(html, true);
    loadedAt = performance.now();
    others({ about: "event", news: {} });
  } catch {
    announce(texts.offline);
  }
  form.ariaBusy = "false";
  each("button", (button) => button.removeAttribute("aria-disabled"));
}

document.addEventListener("submit", (event) => {
  const form = event.target as HTMLFormElement;
  if (form.method !== "post" || !live().contains(form)) return;
  event.preventDefault();
  void send(form);
});

document.addEventListener("click", ({ target }) => {
  const button = (target as Element).closest<HTMLButtonElement>("[data-locate]");
  if (!button) return;
  navigator.geolocation.getCurrentPosition(({ coords }) => {
    const place = button.form!.elements.namedItem("at") as HTMLInputElement;
    place.value = `${coords.latitude.toFixed(3)},${coords.longitude.toFixed(3)}`;
    button.form!.requestSubmit();
  });
});

// A page from the back button's memory is old.
addEventListener("pageshow", ({ persisted }) => persisted && void renew());

const others = share(campaign, lead, (news) => hear(news as { about: string; news: News }), (other) =>
  each("#tabs", (note) => (note.hidden = !other)),
);
follow(campaign);
setInterval(tick, 250);
setInterval(() => live().dataset.renew && performance.now() - loadedAt > Number(live().dataset.renew) && renew(), 10_000);
dress();
announce(live().dataset.say ?? "");

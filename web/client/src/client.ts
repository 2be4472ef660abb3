// The contract of docs/http.md for shop front ends: what is asked again carries the same key, refusals are
// told apart from no answer, and nothing is asked more often than the server says.

import type { Campaign, Problem, Reservation, Reserve, SessionRequest, Standing, StoreList, Ticket, WaitJoin, Waitlisted } from "./api";
import { type Challenge, firstKind, type Progress, timeLock, work } from "./challenge";
import { SaleClock } from "./clock";
import { defaultStorage, type Storage } from "./storage";
import { type Answered, fetchTransport, type Sent, type Transport } from "./transport";

/** How a client is made; everything may be left out on a page of the sale's own origin. */
export interface Options {
  /** Where the public side is, such as `https://sale.example`; left out: the page's own origin. */
  origin?: string;
  transport?: Transport;
  storage?: Storage;
  /** What brought the buyer, for the funnel of the console: said when joining and when answering a challenge. */
  from?: { channel?: string; touchpoint?: string };
  /** A session or JWT; left out: the browser's cookie. */
  token?: string;
  /** A clock that never steps, in milliseconds. */
  monotonic?: () => number;
  /** Opens a stream of events; left out: `EventSource` where there is one; `null`: never. */
  events?: ((url: string) => Events) | null;
  /** Spreads what would come at once: 0 to 1. */
  random?: () => number;
}

/** What is used of an `EventSource`. */
export interface Events {
  addEventListener(kind: string, heard: (event: { data: string }) => void): void;
  close(): void;
}

/** The server said no, and why. */
export class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(`${problem.code}: ${problem.detail}`);
    this.name = "Refused";
  }

  /** The word to decide by. */
  get code(): Problem["code"] {
    return this.problem.code;
  }
}

/** No answer came. What was asked may have happened: ask again, and it counts once. */
export class NoAnswer extends Error {
  constructor(cause: unknown) {
    super("no answer; asking again is safe");
    this.name = "NoAnswer";
    this.cause = cause;
  }
  readonly cause: unknown;
}

/** A place in line, and when to look again. */
export type Look = Standing;

const LOOK_MS = 5_000;
const RETRY_MS_MAX = 30_000;
/** What everybody hears at once is looked at within so long. */
const SPREAD_MS = 3_000;
const KEY_CHARS = 22;
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

export class Onrush {
  readonly clock: SaleClock;
  private readonly origin: string;
  private readonly send: Transport;
  private readonly storage: Storage;
  private readonly random: () => number;
  private readonly events: ((url: string) => Events) | null;
  private readonly from: string;
  private token?: string;
  private readonly proofs = new Map<string, string>();

  constructor(options: Options = {}) {
    const own = globalThis as { EventSource?: new (url: string) => Events; performance?: { now(): number } };
    this.origin = (options.origin ?? "").replace(/\/$/, "");
    this.send = options.transport ?? fetchTransport();
    this.storage = options.storage ?? defaultStorage();
    this.random = options.random ?? Math.random;
    this.token = options.token;
    const said = Object.entries({ channel: options.from?.channel, touchpoint: options.from?.touchpoint }).filter(([, text]) => text);
    this.from = said.map(([name, text], n) => `${n ? "&" : "?"}${name}=${part(text!)}`).join("");
    const Source = own.EventSource;
    this.events = options.events !== undefined ? options.events : Source ? (url) => new Source(url) : null;
    const monotonic = options.monotonic ?? (own.performance ? () => own.performance!.now() : Date.now);
    this.clock = new SaleClock(() => this.ask("GET", "/v1/time"), monotonic);
  }

  /** Exchange a login's JWT, or a code from another device, for a session. With `cookie` the browser keeps it. */
  async signIn(shown: { jwt: string } | { handoff: string }, cookie = false): Promise<{ expires_at: string }> {
    const body: SessionRequest = "handoff" in shown ? { cookie, handoff: shown.handoff } : { cookie };
    const headers: Record<string, string> = "jwt" in shown ? { authorization: `Bearer ${shown.jwt}` } : {};
    const opened = await this.ask("POST", "/v1/sessions", body, headers);
    this.token = opened.session;
    return opened;
  }

  campaign(campaign: string): Promise<Campaign> {
    return this.ask("GET", path(campaign));
  }

  /** Join the line. Asking again gives the same place. */
  join(campaign: string): Promise<Ticket> {
    return this.proven(campaign, (headers) => this.ask("POST", `${path(campaign)}/tickets${this.from}`, {}, headers));
  }

  look(campaign: string, ticket: string): Promise<Look> {
    return this.ask("GET", `${path(campaign)}/tickets/${part(ticket)}`);
  }

  /** Take up again a place that was passed over. */
  comeBack(campaign: string, ticket: string): Promise<unknown> {
    return this.ask("POST", `${path(campaign)}/tickets/${part(ticket)}/return`);
  }

  /** Follow a place in line at the pace that the server names, until the returned function is called. */
  watch(campaign: string, ticket: string, heard: (now: Look) => void, failed: (why: unknown) => void = () => {}): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let over = false;
    let etag = "";
    let misses = 0;
    const again = (ms: number): void => {
      clearTimeout(timer);
      if (!over) timer = setTimeout(look, ms);
    };
    const look = async (): Promise<void> => {
      try {
        const headers: Record<string, string> = etag ? { "if-none-match": etag } : {};
        const answer = await this.sent("GET", `${path(campaign)}/tickets/${part(ticket)}`, undefined, headers);
        if (over) return;
        misses = 0;
        etag = answer.headers.etag ?? etag;
        if (answer.status !== 304) heard(read(answer));
        again(Number(answer.headers["onrush-next-poll-ms"]) || LOOK_MS);
      } catch (why) {
        if (over) return;
        failed(why);
        // Nobody comes back at once, and not all together.
        const wait = Math.min(RETRY_MS_MAX, 1_000 * 2 ** misses++) * (1 + this.random());
        again(why instanceof Refused ? Math.max(wait, why.problem.retry_after_ms ?? 0) : wait);
      }
    };
    const events = this.events?.(`${this.origin}${path(campaign)}/events`);
    let before = "";
    events?.addEventListener("line", ({ data }) => {
      const { phase, paused, sold_out, message } = JSON.parse(data);
      const now = JSON.stringify([phase, paused, sold_out, message]);
      if (before && before !== now) again(this.random() * SPREAD_MS);
      before = now;
    });
    void look();
    return () => {
      over = true;
      clearTimeout(timer);
      events?.close();
    };
  }

  /**
   * Set units aside. The idempotency key is made and kept before anything is sent, so the same wish after a
   * reload, or after no answer, is the same reservation; `release` and `forget` end that.
   */
  async reserve(campaign: string, wish: Reserve, pass?: string): Promise<Reservation> {
    const kept = wishName(campaign, wish);
    const key = this.storage.getItem(kept) ?? this.newKey();
    this.storage.setItem(kept, key);
    const headers: Record<string, string> = { "idempotency-key": key };
    if (pass) headers["onrush-pass"] = pass;
    const granted = await this.proven(campaign, (proof) =>
      this.ask("POST", `${path(campaign)}/reservations`, wish, { ...headers, ...proof }),
    );
    this.storage.setItem(idName(granted.id), kept);
    return granted;
  }

  /** Look at a reservation. */
  reservation(id: string): Promise<Reservation> {
    return this.ask("GET", `/v1/reservations/${part(id)}`);
  }

  /** Give a hold up. What is wanted from then on is another reservation. */
  async release(id: string): Promise<Reservation> {
    const released = await this.ask("DELETE", `/v1/reservations/${part(id)}`);
    this.forget(id);
    return released;
  }

  /** Want the same thing once more: the next `reserve` of it is another reservation. */
  forget(id: string): void {
    const kept = this.storage.getItem(idName(id));
    if (kept) this.storage.removeItem(kept);
    this.storage.removeItem(idName(id));
  }

  waitFor(campaign: string, wish: WaitJoin): Promise<Waitlisted> {
    return this.ask("POST", `${path(campaign)}/waitlist`, wish);
  }

  waiting(campaign: string, sku: string): Promise<Waitlisted> {
    return this.ask("GET", `${path(campaign)}/waitlist/${part(sku)}`);
  }

  stopWaiting(campaign: string, sku: string): Promise<Waitlisted> {
    return this.ask("DELETE", `${path(campaign)}/waitlist/${part(sku)}`);
  }

  /** Stores near a place that have a SKU, the nearest first. */
  stores(campaign: string, at: { lat: number; lon: number; crs?: string }, sku: string): Promise<StoreList> {
    const crs = at.crs ? `&crs=${at.crs}` : "";
    return this.ask("GET", `${path(campaign)}/stores?lat=${at.lat}&lon=${at.lon}${crs}&sku=${part(sku)}`);
  }

  /**
   * Answer a challenge before it is asked for, so that nothing is solved in the rush; `reserve` and `join`
   * do it by themselves where they are asked. It takes a part of a second of one core: on a page call it in
   * a worker.
   */
  async prove(campaign: string, level = 1, told?: Progress): Promise<void> {
    const ask = (body: unknown): Promise<any> => this.ask("POST", `${path(campaign)}/challenges${this.from}`, body);
    let given: Challenge = await ask({ kind: firstKind(), level });
    let answer = given.kind === "time_lock" ? timeLock(given, told) : work(given, told);
    if (answer === undefined) {
      given = await ask({ kind: "work", level });
      answer = work(given, told);
    }
    this.proofs.set(campaign, (await ask({ challenge: given.challenge, answer })).proof);
  }

  /** Ask with the proof there is; where one is asked for, get it and ask once more. */
  private async proven<T>(campaign: string, act: (headers: Record<string, string>) => Promise<T>): Promise<T> {
    const once = async (): Promise<T> => {
      const proof = this.proofs.get(campaign);
      const done = await act(proof ? { "onrush-proof": proof } : {});
      this.proofs.delete(campaign);
      return done;
    };
    try {
      return await once();
    } catch (why) {
      if (!(why instanceof Refused) || why.code !== "challenge_required") throw why;
      await this.prove(campaign, Number(/level (\d)/.exec(why.problem.detail)?.[1] ?? 3));
      return once();
    }
  }

  private async ask(method: Sent["method"], path: string, body?: unknown, headers: Record<string, string> = {}): Promise<any> {
    return read(await this.sent(method, path, body, headers));
  }

  private async sent(method: Sent["method"], path: string, body: unknown, more: Record<string, string>): Promise<Answered> {
    const headers: Record<string, string> = { ...more };
    if (body !== undefined) headers["content-type"] = "application/json";
    if (this.token && !headers.authorization) headers.authorization = `Bearer ${this.token}`;
    let answer: Answered;
    try {
      answer = await this.send({ method, url: this.origin + path, headers, body: body === undefined ? undefined : JSON.stringify(body) });
    } catch (why) {
      throw new NoAnswer(why);
    }
    if (answer.status < 400) return answer;
    let problem: Problem;
    try {
      problem = JSON.parse(answer.body);
    } catch {
      // A proxy in between, or a head that the server would not read.
      throw new NoAnswer(`${answer.status} without a problem document`);
    }
    throw new Refused(problem);
  }

  /** A key is no secret: it must only never be the same twice for one buyer. */
  private newKey(): string {
    return Array.from({ length: KEY_CHARS }, () => LETTERS[Math.floor(Math.random() * LETTERS.length)]).join("");
  }
}

const read = (answer: Answered): any => (answer.body ? JSON.parse(answer.body) : {});
const part = encodeURIComponent;
const path = (campaign: string): string => `/v1/campaigns/${part(campaign)}`;
const idName = (id: string): string => `onrush.reservation.${id}`;

/** The same wish has the same name, however its fields are ordered. */
const wishName = (campaign: string, wish: Reserve): string => `onrush.key.${campaign}.${ordered(wish)}`;

function ordered(value: unknown): string {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return JSON.stringify(value);
  const fields = Object.entries(value).filter(([, field]) => field !== undefined);
  fields.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${ordered(field)}`).join()}}`;
}

// Written by `node types.mjs PROGRAM` in web/ from the server's own /openapi.json. Do not edit.

export interface Attribution {
  channel?: string;
  guide?: string;
  store?: string;
  touchpoint?: string;
}

export interface Campaign {
  campaign: string;
  closes_at?: string;
  draw_at?: string;
  next_switch_at?: string;
  opens_at?: string;
  phase: string;
  policy: {
    hold_ms: number;
    limit_per_buyer: number;
    line?: boolean;
    stock: "exact" | "band";
    waitlist_offer_ms?: number;
  };
  preheat_at?: string;
  skus: CampaignSku[];
  title?: string;
  waves?: Array<{
    at: string;
    sku: string;
  }>;
}

export interface CampaignSku {
  available: number | "none" | "few" | "many";
  limit_per_buyer: number;
  price: Money;
  sku: string;
}

export interface Challenge {
  base?: string;
  challenge?: string;
  kind?: "time_lock" | "work" | "wait" | "outside";
  modulus?: string;
  proof?: string;
  site_key?: string;
  squarings?: number;
  until?: string;
  wait_ms?: number;
  zero_bits?: number;
}

export interface ChallengeRequest {
  answer?: string;
  challenge?: string;
  kind?: "time_lock" | "work" | "wait" | "outside";
  level?: number;
  outside?: string;
}

export interface Destination {
  crs?: "wgs84" | "gcj02" | "bd09";
  lat: number;
  lon: number;
}

export interface Draw {
  campaign: string;
  commitment: string;
  count?: number;
  joined: number;
  lane: number;
  lanes: number;
  list_digest?: string;
  public_value?: string | null;
  public_value_source: string | null;
  rule: string;
  seed?: string;
  state: "joining" | "drawn";
  turn?: string;
  weights: number[];
}

export interface Handoff {
  expires_at: string;
  handoff: string;
}

export interface Join {
  buyer?: string;
  groups?: string[];
}

export interface Money {
  amount: number;
  currency: string;
}

export interface NearStore {
  km: number;
  node: string;
  sku: string;
  units: number;
}

export interface Participants {
  next_after: number | null;
  participants: unknown[][];
}

export interface PaymentNotice {
  amount: number;
  currency: string;
  event_id: string;
  paid_at: string;
  reference: string;
  reservation: string;
}

export interface Problem {
  alternatives?: Array<string | NearStore>;
  code: "invalid_request" | "method_not_allowed" | "too_slow" | "too_large" | "uri_too_long" | "unsupported_media" | "headers_too_large" | "unauthenticated" | "forbidden" | "not_found" | "key_reused" | "key_in_flight" | "not_open" | "paused" | "ended" | "pass_required" | "pass_invalid" | "not_eligible" | "challenge_required" | "refused_risk" | "limit_reached" | "sold_out" | "all_held" | "units_free" | "out_of_reach" | "already_final" | "expired" | "rate_limited" | "overloaded" | "stopping" | "journal_failed" | "already_open";
  detail: string;
  opens_at?: string;
  retry_after_ms?: number;
  retryable: boolean;
  status: number;
  title: string;
  type: string;
  waitlist?: boolean;
}

export interface Promise {
  at?: string;
  code?: string;
  confidence?: number;
  delivery?: string;
  from?: Array<Record<string, unknown>>;
  routed?: boolean;
}

export interface Remind {
  address?: string;
  buyer?: string;
  channel: "webhook" | "push" | "mail" | "wechat";
  consent: boolean;
  consent_at: string;
  consent_version?: number;
  locale?: "zh" | "en";
  subscription?: {
    endpoint: string;
    expirationTime?: number | null;
    keys: {
      auth: string;
      p256dh: string;
    };
  };
}

export interface Reminder {
  campaign?: string;
  channel?: "webhook" | "push" | "mail" | "wechat";
  send_at?: string | null;
  state?: "waiting" | "sending" | "sent" | "failed" | "unknown" | "missed";
}

export interface RemindersOffered {
  campaign?: string;
  channels?: Array<"webhook" | "push" | "mail" | "wechat">;
  open?: boolean;
  push_public_key?: string | null;
  send_at?: string | null;
}

export interface Removed {
  removed: number;
}

export interface Reservation {
  campaign: string;
  expires_at: string;
  id: string;
  lsn: number;
  price: Money;
  promise?: Promise;
  quantity: number;
  sku: string;
  state: "held" | "review" | "sold" | "released" | "expired" | "cancelled";
}

export interface Reserve {
  attribution?: Attribution;
  buyer?: string;
  delivery?: "standard" | "one_hour" | "four_hours" | "same_day" | "next_day" | "scheduled" | "pickup" | "ship_from_store" | "in_store_home" | "transfer";
  destination?: Destination;
  pickup_node?: string;
  quantity?: number;
  sku: string;
  window?: Window;
}

export interface Returned {
  number: number;
  state: "before_draw" | "ranking" | "waiting" | "served" | "passed_over" | "returning" | "used" | "lost";
}

export interface Session {
  expires_at: string;
  session?: string;
}

export interface SessionRequest {
  buyer?: string;
  cookie?: boolean;
  handoff?: string;
}

export interface Standing {
  about?: number;
  ahead?: number;
  eta?: {
    p50_ms: number;
    p90_ms: number;
  };
  joined?: number;
  left?: number;
  message?: string;
  next_poll_ms: number;
  now_serving: number;
  number: number;
  odds?: "likely" | "possible" | "unlikely" | "none";
  opens_at?: string;
  pass?: string;
  pass_jwt?: string;
  pass_until?: string;
  paused?: boolean;
  phase: string;
  position?: number;
  return_until?: string;
  sold_out?: boolean;
  state: "before_draw" | "ranking" | "waiting" | "served" | "passed_over" | "returning" | "used" | "lost";
  ticket?: string;
}

export interface StoreList {
  stores: StoreNear[];
}

export interface StoreNear {
  available: number | "few" | "many";
  hours: {
    closes_at?: string;
    open: boolean;
    opens_at?: string;
  } | null;
  kind: string;
  km: number;
  lat: number;
  lon: number;
  node: string;
}

export interface Ticket {
  campaign: string;
  class: number;
  joined_at: string;
  lane: number;
  number: number;
  pseudonym: string;
  ticket: string;
  tier: string;
}

export interface Time {
  campaign?: string;
  next_switch_at?: string;
  next_switch_unix_ms?: number;
  now: string;
  phase?: string;
  unix_ms: number;
}

export interface Unremind {
  buyer?: string;
  channel?: "webhook" | "push" | "mail" | "wechat";
}

export interface WaitJoin {
  buyer?: string;
  quantity?: number;
  sku: string;
}

export interface WaitOffer {
  expires_at: string;
  quantity: number;
  reservation: string;
  state: string;
}

export interface Waitlisted {
  ahead?: number;
  campaign: string;
  number?: number;
  offer?: WaitOffer;
  poll_after_ms?: number;
  quantity?: number;
  sku: string;
  state: "waiting" | "offered" | "bought" | "missed" | "declined" | "cancelled" | "joined" | "left";
}

export interface Window {
  from: string;
  to: string;
}

/** What each public route takes and answers. */
export interface Routes {
  /** A campaign for buyers. */
  "GET /v1/campaigns/{campaign}": { request: undefined; answer: Campaign };
  /** A code for another device. */
  "POST /v1/campaigns/{campaign}/tickets/{ticket}/handoff": { request: undefined; answer: Handoff };
  /** A payment provider's notice. */
  "POST /v1/payments/{provider}": { request: PaymentNotice; answer: Reservation };
  /** A place in the waitlist. */
  "GET /v1/campaigns/{campaign}/waitlist/{sku}": { request: undefined; answer: Waitlisted };
  /** Exchange a JWT. */
  "POST /v1/sessions": { request: SessionRequest; answer: Session };
  /** Get or answer a challenge. */
  "POST /v1/campaigns/{campaign}/challenges": { request: ChallengeRequest; answer: Challenge };
  /** Give up a hold. */
  "DELETE /v1/reservations/{id}": { request: undefined; answer: Reservation };
  /** How far a place is. */
  "GET /v1/campaigns/{campaign}/tickets/{ticket}": { request: undefined; answer: Standing };
  /** How reminders can be had. */
  "GET /v1/campaigns/{campaign}/reminders": { request: undefined; answer: RemindersOffered };
  /** Join the line. */
  "POST /v1/campaigns/{campaign}/tickets": { request: Join; answer: Ticket };
  /** Leave the waitlist. */
  "DELETE /v1/campaigns/{campaign}/waitlist/{sku}": { request: undefined; answer: Waitlisted };
  /** Look at a reservation. */
  "GET /v1/reservations/{id}": { request: undefined; answer: Reservation };
  /** Notify me before the start. */
  "POST /v1/campaigns/{campaign}/reminders": { request: Remind; answer: Reminder };
  /** Server time. */
  "GET /v1/time": { request: undefined; answer: Time };
  /** Set units aside. */
  "POST /v1/campaigns/{campaign}/reservations": { request: Reserve; answer: Reservation };
  /** Stores near a place that have a SKU. */
  "GET /v1/campaigns/{campaign}/stores": { request: undefined; answer: StoreList };
  /** Take a place up again that was passed over. */
  "POST /v1/campaigns/{campaign}/tickets/{ticket}/return": { request: undefined; answer: Returned };
  /** Take reminders back. */
  "DELETE /v1/campaigns/{campaign}/reminders": { request: Unremind; answer: Removed };
  /** Wait for units that come back. */
  "POST /v1/campaigns/{campaign}/waitlist": { request: WaitJoin; answer: Waitlisted };
  /** What decides a draw. */
  "GET /v1/campaigns/{campaign}/draw": { request: undefined; answer: Draw };
  /** Where it comes from, when, how sure. */
  "GET /v1/reservations/{id}/promise": { request: undefined; answer: Promise };
  /** Who takes part in a draw. */
  "GET /v1/campaigns/{campaign}/draw/participants": { request: undefined; answer: Participants };
}

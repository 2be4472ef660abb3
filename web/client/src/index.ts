// What the package gives away.

export type * from "./api";
export { type Challenge, firstKind, timeLock, work } from "./challenge";
export { type Events, type Look, NoAnswer, Onrush, type Options, Refused } from "./client";
export { SaleClock } from "./clock";
export { memoryStorage, miniStorage, type MiniStorage, type Storage } from "./storage";
export { type Answered, fetchTransport, type MiniRequest, miniTransport, type Sent, type Transport } from "./transport";

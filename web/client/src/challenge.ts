// Solves a challenge: squarings one after the other, or hashes where there are no big integers.
//
// Written without BigInt literals, so that a browser that lacks them can still read the file.

/** A challenge as `POST …/challenges` gives it. */
export interface Challenge {
  challenge: string;
  kind: string;
  until: string;
  squarings?: number;
  modulus?: string;
  base?: string;
  zero_bits?: number;
  wait_ms?: number;
}

/** Called with the share that is done, 0 to 1. */
export type Progress = (part: number) => void;

const Big: BigIntConstructor | undefined = (globalThis as { BigInt?: BigIntConstructor }).BigInt;

/** Squarings between two looks at the time. */
const STEPS = 500;

/** Where squaring is expected to take longer, hashing is faster. */
const SLOW_MS = 15_000;

/** The kind to ask for first. */
export const firstKind = (): "time_lock" | "work" => (Big ? "time_lock" : "work");

/** Solve a time lock; `undefined` where it would take too long here: ask for `work` then. */
export function timeLock(given: Challenge, told: Progress = () => {}): string | undefined {
  const [n, squarings] = [number(given.modulus!), given.squarings!];
  let x = number(given.base!);
  const began = performance.now();
  for (let done = 1; done <= squarings; done++) {
    x = (x * x) % n;
    if (done % STEPS) continue;
    if (done === STEPS && ((performance.now() - began) / STEPS) * squarings > SLOW_MS) return undefined;
    told(done / squarings);
  }
  const hex = x.toString(16);
  return encoded((hex.length % 2 ? `0${hex}` : hex).match(/../g)!.map((pair) => parseInt(pair, 16)));
}

/** Solve a work puzzle: SHA-256 of the challenge and four bytes begins with so many zero bits. */
export function work(given: Challenge, told: Progress = () => {}): string {
  const [head, bits] = [given.challenge, given.zero_bits!];
  const text = Uint8Array.from(head + "\0\0\0\0", (letter) => letter.charCodeAt(0));
  const tail = new DataView(text.buffer, head.length);
  for (let n = 0; ; n++) {
    tail.setUint32(0, n);
    if (Math.clz32(firstWord(text)) >= bits) return encoded([...text.subarray(head.length)]);
    if (n % 4_096 === 4_095) told(Math.min(0.95, n / 2 ** bits));
  }
}

const number = (text: string): bigint =>
  Big!(`0x${[...atob(text.replace(/-/g, "+").replace(/_/g, "/"))].map((byte) => byte.charCodeAt(0).toString(16).padStart(2, "0")).join("")}`);

const encoded = (bytes: number[]): string =>
  btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");

// FIPS 180-4: the first 32 bits of the fractional parts of the cube roots of the first 64 primes, and
// of the square roots of the first eight.
const K = new Int32Array(64);
const H = new Int32Array(8);
for (let candidate = 2, found = 0; found < 64; candidate++) {
  let isPrime = true;
  for (let by = 2; by * by <= candidate; by++) isPrime &&= candidate % by > 0;
  if (!isPrime) continue;
  const bits = (root: number): number => ((root % 1) * 2 ** 32) | 0;
  if (found < 8) H[found] = bits(Math.sqrt(candidate));
  K[found++] = bits(Math.cbrt(candidate));
}

/** Return the first 32 bits of SHA-256. */
export function firstWord(text: Uint8Array): number {
  const blocks = (text.length + 72) >> 6;
  const padded = new DataView(new ArrayBuffer(blocks << 6));
  text.forEach((byte, at) => padded.setUint8(at, byte));
  padded.setUint8(text.length, 0x80);
  padded.setUint32((blocks << 6) - 4, text.length * 8);
  const w = new Int32Array(64);
  const state = Int32Array.from(H);
  const turn = (x: number, by: number): number => (x >>> by) | (x << (32 - by));
  for (let block = 0; block < blocks; block++) {
    let [a, b, c, d, e, f, g, h] = state;
    for (let i = 0; i < 64; i++) {
      if (i < 16) w[i] = padded.getInt32((block << 6) + i * 4);
      else {
        const [x, y] = [w[i - 15], w[i - 2]];
        w[i] = (w[i - 16] + (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) + w[i - 7] + (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10))) | 0;
      }
      const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [a, b, c, d, e, f, g, h] = [(one + two) | 0, a, b, c, (d + one) | 0, e, f, g];
    }
    [a, b, c, d, e, f, g, h].forEach((value, at) => (state[at] += value));
  }
  return state[0];
}

// Sale time: the server's clock, carried on by a clock of the browser that does not step.
//
// Each sample brackets the server's answer between two moments; the one with the shortest way there
// and back is the best. The device's own clock is never looked at.

const SAMPLES = 4;
const BETWEEN_MS = 250;
const AGAIN_MS = 60_000;

let offset = NaN;
let best = Infinity;

/** Sale time in milliseconds since 1970; NaN before the first answer. */
export const saleTime = (): number => performance.now() + offset;

/** Ask the server now and then. */
export async function follow(campaign: string): Promise<void> {
  for (let n = 0; ; n++) {
    await sample(campaign);
    // A clock may drift: an old sample must not win for ever.
    best *= 1.05;
    await new Promise((done) => setTimeout(done, n < SAMPLES ? BETWEEN_MS : AGAIN_MS));
  }
}

async function sample(campaign: string): Promise<void> {
  const sent = performance.now();
  try {
    const answer = await fetch(`/v1/time?campaign=${campaign}`);
    const { unix_ms } = await answer.json();
    const way = performance.now() - sent;
    if (way < best) {
      best = way;
      offset = unix_ms + way / 2 - performance.now();
    }
  } catch {
    // The next one may get through.
  }
}

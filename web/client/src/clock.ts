// Sale time: the server's clock, carried on by a clock of the device that does not step. The device's own
// time of day is never looked at.

/** A sample of the server's clock. */
export interface Sample {
  unix_ms: number;
}

export class SaleClock {
  private offset = NaN;
  private best = Infinity;

  /** `ask` reads the server's clock, `monotonic` counts milliseconds and never steps. */
  constructor(private readonly ask: () => Promise<Sample>, private readonly monotonic: () => number) {}

  /** Sale time in milliseconds since 1970; NaN before the first sample. */
  now(): number {
    return this.monotonic() + this.offset;
  }

  /** Take samples; the one with the shortest way there and back counts. Fails where none gets through. */
  async sync(samples = 4): Promise<void> {
    // A clock may drift: an old sample must not win for ever.
    this.best *= 1.05;
    let failed: unknown;
    for (let n = 0; n < samples; n++) {
      const sent = this.monotonic();
      try {
        const { unix_ms } = await this.ask();
        const came = this.monotonic();
        if (came - sent >= this.best) continue;
        this.best = came - sent;
        this.offset = unix_ms + this.best / 2 - came;
      } catch (error) {
        failed = error;
      }
    }
    if (Number.isNaN(this.offset)) throw failed;
  }
}

// A steady stream of points into a running process over HTTP, until told to stop.

import { sleep } from './meanstream-process.ts';
import type { Mixture } from './mixture.ts';

export class HttpStream {
  readonly #url: string;
  readonly #mixture: Mixture;
  #running = true;
  readonly #done: Promise<number>;

  /** About `rows` points every `everyMs`. */
  constructor(url: string, mixture: Mixture, rows = 500, everyMs = 50) {
    this.#url = url;
    this.#mixture = mixture;
    this.#done = this.#stream(rows, everyMs);
  }

  /** @returns how many points were accepted */
  stop(): Promise<number> {
    this.#running = false;
    return this.#done;
  }

  async #stream(rows: number, everyMs: number): Promise<number> {
    let accepted = 0;
    while (this.#running) {
      accepted += await postPoints(this.#url, this.#mixture, rows);
      await sleep(everyMs);
    }
    return accepted;
  }
}

export async function postPoints(url: string, mixture: Mixture, rows: number): Promise<number> {
  const lines = Array.from({ length: rows }, () => {
    const { key, value } = mixture.record();
    return JSON.stringify({ key, ...(JSON.parse(value) as object) });
  });
  const answer = await fetch(`${url}/v1/points`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: `${lines.join('\n')}\n`,
  });
  if (answer.status !== 202) throw new Error(`${answer.status} ${await answer.text()}`);
  return ((await answer.json()) as { accepted: unknown[] }).accepted.length;
}

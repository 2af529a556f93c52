// What one route holds: requests without an answer, and the bytes of their bodies that are here. Above either bound a client is
// told to slow down. Each route has its own: where points are refused, questions are not.

import type { GatewayLimits } from './limits.ts';
import { ProblemError } from './problem.ts';

export class RouteLoad {
  readonly #limits: GatewayLimits;
  #requests = 0;
  #bytes = 0;

  constructor(limits: GatewayLimits) {
    this.#limits = limits;
  }

  /** A request announces so many bytes, of which none is here yet. @throws ProblemError (429), and it is not in. */
  enter(bytes: number): void {
    const { requestsInFlightMax } = this.#limits;
    if (this.#requests >= requestsInFlightMax) {
      throw slowDown(`${this.#requests} requests wait for their answer, as many as may`);
    }
    this.#checkRoom(bytes);
    this.#requests += 1;
  }

  /** So many more bytes are here. @throws ProblemError (429), and holds nothing of them. */
  hold(bytes: number): void {
    this.#checkRoom(bytes);
    this.#bytes += bytes;
  }

  /** The request has its answer, or nobody to answer to. */
  leave(bytes: number): void {
    this.#requests -= 1;
    this.#bytes -= bytes;
  }

  #checkRoom(bytes: number): void {
    const { bodyBytesHeldMax } = this.#limits;
    if (this.#bytes === 0 || this.#bytes + bytes <= bodyBytesHeldMax) return;
    throw slowDown(
      `${this.#bytes} bytes of requests wait for their answer, ${bodyBytesHeldMax} is the most`,
    );
  }
}

function slowDown(why: string): ProblemError {
  return new ProblemError('too-many-requests', `${why}; send more slowly.`, {
    headers: { 'retry-after': '1' },
  });
}

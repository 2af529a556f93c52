// How many WebSockets are open, in all and by address: one client must not take the room of the others.

import type { GatewayLimits } from '../limits.ts';
import { ProblemError } from '../problem.ts';

export class OpenConnections {
  readonly #limits: GatewayLimits;
  readonly #byAddress = new Map<string, number>();
  #total = 0;

  constructor(limits: GatewayLimits) {
    this.#limits = limits;
  }

  /** @throws ProblemError when one more would be too many. */
  checkRoom(address: string): void {
    const { webSocketsMax, webSocketsPerAddressMax } = this.#limits;
    const fromAddress = this.#byAddress.get(address) ?? 0;
    const isFull = this.#total >= webSocketsMax;
    if (!isFull && (isLoopback(address) || fromAddress < webSocketsPerAddressMax)) return;
    const detail = isFull
      ? `${this.#total} WebSockets are open; try again later.`
      : `${fromAddress} WebSockets are open from ${address}; close one first.`;
    throw new ProblemError('too-many-requests', detail, { headers: { 'retry-after': '10' } });
  }

  add(address: string): void {
    this.#total += 1;
    this.#byAddress.set(address, (this.#byAddress.get(address) ?? 0) + 1);
  }

  remove(address: string): void {
    this.#total -= 1;
    const left = (this.#byAddress.get(address) ?? 1) - 1;
    if (left === 0) this.#byAddress.delete(address);
    else this.#byAddress.set(address, left);
  }
}

/** uWebSockets.js writes IPv6 in full: "0000:0000:…:0001", and IPv4 inside it as "…:ffff:7f00:0001". */
function isLoopback(address: string): boolean {
  return /^127\.|^(0000:){7}0001$|^(0000:){5}ffff:7f[0-9a-f]{2}:/.test(address);
}

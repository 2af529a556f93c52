// Fans small JSON messages out to all that listen, e.g. cluster events.

import type { LiveClient } from './live-client.ts';

export class LiveMessages {
  readonly #clients = new Set<LiveClient>();

  get size(): number {
    return this.#clients.size;
  }

  add(client: LiveClient): void {
    this.#clients.add(client);
  }

  remove(client: LiveClient): void {
    client.closed();
    this.#clients.delete(client);
  }

  publish(message: object): void {
    if (this.#clients.size === 0) return;
    const frame = JSON.stringify(message);
    for (const client of [...this.#clients]) client.send(frame, 1);
  }
}

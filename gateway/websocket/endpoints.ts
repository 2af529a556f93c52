// The WebSocket addresses: /v1/assignments/live, /v1/events/live and /v1/map/live (the page's, map and status in one).

import type { Clock } from '../../support/index.ts';
import type { GatewayLimits } from '../limits.ts';
import type { Status } from '../views/status-view.ts';
import type { Views } from '../views/views.ts';
import type { LiveClient } from './live-client.ts';
import type { LiveEndpoint } from './serve-web-sockets.ts';
import { subscriptionOf } from './subscription.ts';

const statusEveryMs = 1_000;

export interface EndpointSources {
  readonly views: Views;
  readonly limits: GatewayLimits;
  readonly status: StatusStream;
}

export function liveEndpoints({ views, limits, status }: EndpointSources): LiveEndpoint[] {
  const { liveAssignments, liveEvents, map } = views;
  return [
    {
      path: '/v1/assignments/live',
      accept: (query) => {
        const subscription = subscriptionOf(query, limits);
        return {
          join: (client) => liveAssignments.add(client, subscription),
          leave: (client) => liveAssignments.remove(client),
        };
      },
    },
    {
      path: '/v1/events/live',
      accept: () => ({
        join: (client) => liveEvents.add(client),
        leave: (client) => liveEvents.remove(client),
      }),
    },
    {
      path: '/v1/map/live',
      accept: () => ({
        join: (client) => {
          status.add(client);
          map.add(client);
        },
        leave: (client) => {
          status.remove(client);
          map.remove(client);
        },
      }),
    },
  ];
}

/** Sends the status once a second to whoever looks, and works only then. */
export class StatusStream {
  readonly #clock: Clock;
  readonly #status: () => Status;
  readonly #clients = new Set<LiveClient>();
  #endTicks: (() => void) | undefined;

  constructor(clock: Clock, status: () => Status) {
    this.#clock = clock;
    this.#status = status;
  }

  add(client: LiveClient): void {
    this.#clients.add(client);
    client.sendLatest([JSON.stringify(this.#status())]);
    this.#endTicks ??= this.#clock.every(statusEveryMs, () => this.#publish());
  }

  remove(client: LiveClient): void {
    this.#clients.delete(client);
    if (this.#clients.size === 0) this.stop();
  }

  stop(): void {
    this.#endTicks?.();
    this.#endTicks = undefined;
  }

  #publish(): void {
    const frame = JSON.stringify(this.#status());
    for (const client of [...this.#clients]) client.sendLatest([frame]);
  }
}

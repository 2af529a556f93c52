// One WebSocket client that is sent a stream. Nothing waits for it without bound:
//
//   flowing ──(more than backpressureBytesMax wait)──► lagging ──(drained)──► gap announced, flowing
//                                                         └──(slowClientMsMax)──► closed, 1013 "too slow"
//
// While lagging, frames are left out and counted; the next thing it hears is how much it missed.

import type { Clock, Metrics } from '../../support/index.ts';

/** What of a WebSocket is needed here. */
export interface LiveSocket {
  send(frame: string | Uint8Array, isBinary: boolean): void;
  bufferedBytes(): number;
  end(code: number, reason: string): void;
}

export interface LiveClientOptions {
  readonly socket: LiveSocket;
  readonly backpressureBytesMax: number;
  readonly slowClientMsMax: number;
  readonly clock: Clock;
  readonly metrics: Metrics;
}

export class LiveClient {
  readonly #options: LiveClientOptions;
  #dropped = 0;
  /** When it began to lag; −1 while it flows. */
  #laggingSinceMs = -1;
  #isOpen = true;

  constructor(options: LiveClientOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Sends a text frame (bytes are UTF-8) that carries `items` things, or counts them as missed. */
  send(frame: string | Uint8Array, items: number): void {
    if (!this.#isOpen) return;
    if (this.#isFull()) {
      this.#leaveOut(items);
      return;
    }
    this.drained();
    this.#write(frame, false);
  }

  /** Sends what replaces everything sent before it: a client that lags is spared it, and misses nothing. */
  sendLatest(frames: readonly (string | Uint8Array)[]): void {
    if (!this.#isOpen) return;
    if (this.#isFull()) {
      this.#checkPatience();
      return;
    }
    this.#laggingSinceMs = -1;
    for (const frame of frames) this.#write(frame, typeof frame !== 'string');
  }

  /** Says that `items` never reached us either. */
  announceGap(items: number): void {
    this.#dropped += items;
    if (!this.#isFull()) this.drained();
  }

  /** The socket has room again. */
  drained(): void {
    if (!this.#isOpen || this.#isFull()) return;
    this.#laggingSinceMs = -1;
    if (this.#dropped === 0) return;
    const frame = JSON.stringify({ type: 'gap', dropped: this.#dropped });
    this.#dropped = 0;
    this.#write(frame, false);
  }

  /** The socket is gone; nothing is sent from here on. */
  closed(): void {
    this.#isOpen = false;
  }

  #isFull(): boolean {
    return this.#options.socket.bufferedBytes() > this.#options.backpressureBytesMax;
  }

  #leaveOut(items: number): void {
    this.#dropped += items;
    this.#options.metrics.wsMessagesDropped.inc({ reason: 'slow-client' }, items);
    this.#checkPatience();
  }

  #checkPatience(): void {
    const { clock, slowClientMsMax, socket } = this.#options;
    if (this.#laggingSinceMs < 0) this.#laggingSinceMs = clock.monotonicMs();
    if (clock.monotonicMs() - this.#laggingSinceMs < slowClientMsMax) return;
    this.#isOpen = false;
    socket.end(1013, `too slow: ${this.#dropped} missed`);
  }

  #write(frame: string | Uint8Array, isBinary: boolean): void {
    this.#options.metrics.wsMessagesSent.inc();
    this.#options.socket.send(frame, isBinary);
  }
}

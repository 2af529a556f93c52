// A TCP proxy between clients and one Kafka broker, in this process, that can be told to misbehave: slow, jittery, narrow,
// in slices, silent for a while, cut off, or deaf to a single request or answer. It knows of Kafka's protocol only what
// stands at the front of each message: size, API key, correlation id.
import { once } from 'node:events';
import {
  type AddressInfo,
  createConnection,
  createServer,
  type Server,
  type Socket,
} from 'node:net';
import type { Random } from '../../support/index.ts';
import { sleep } from './meanstream-process.ts';

export interface Frame {
  readonly direction: 'request' | 'answer';
  /** Of the request, or of the request that this answers. */
  readonly apiKey: number;
  /** The whole message, with its size in front. */
  readonly bytes: Buffer;
}

/** What becomes of a message. `lose` also cuts the connection, as a broken network does. */
export type Fate = 'pass' | 'lose';

export interface TcpFaults {
  /** Each message arrives this much later, plus something random below the jitter. */
  latencyMs: number;
  jitterMs: number;
  /** 0: as fast as it goes. */
  bytesPerSecond: number;
  /** Messages are written in pieces of this size; 0: whole. */
  sliceBytes: number;
  judge: (frame: Frame) => Fate;
}

const noFaults: TcpFaults = {
  latencyMs: 0,
  jitterMs: 0,
  bytesPerSecond: 0,
  sliceBytes: 0,
  judge: () => 'pass',
};

/** Slices of a narrow line. */
const narrowSliceBytes = 4_096;

export class TcpProxy {
  readonly port: number;
  readonly faults: TcpFaults = { ...noFaults };
  readonly #server: Server;
  readonly #random: Random;
  readonly #sockets = new Set<Socket>();
  #target = { host: '127.0.0.1', port: 0 };
  #silence: { readonly over: Promise<void>; readonly end: () => void } | undefined;

  private constructor(server: Server, random: Random) {
    this.#server = server;
    this.#random = random;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (client) => this.#connect(client));
  }

  /** Listens on a free port; tell it where to go on by `forwardTo`. */
  static async start(random: Random): Promise<TcpProxy> {
    const server = createServer({ noDelay: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(server, random);
  }

  forwardTo(port: number): void {
    this.#target = { host: '127.0.0.1', port };
  }

  /** As it came; a silence ends, and what was held back arrives now. */
  heal(): void {
    Object.assign(this.faults, noFaults);
    this.#silence?.end();
    this.#silence = undefined;
  }

  /** A black hole: nothing arrives, either way, and no connection ends. */
  fallSilent(): void {
    if (this.#silence !== undefined) return;
    let end: () => void = () => {};
    const over = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#silence = { over, end };
  }

  /** Every connection ends at once, with a reset. */
  resetAll(): number {
    const open = this.#sockets.size;
    for (const socket of this.#sockets) socket.resetAndDestroy();
    return open;
  }

  async close(): Promise<void> {
    this.heal();
    this.#server.close();
    this.resetAll();
  }

  #connect(client: Socket): void {
    const broker = createConnection({ ...this.#target, noDelay: true });
    const cut = () => {
      for (const socket of [client, broker]) {
        this.#sockets.delete(socket);
        socket.resetAndDestroy();
      }
    };
    const apiKeys = new Map<number, number>();
    this.#pump(client, broker, cut, (bytes) => {
      const apiKey = bytes.readInt16BE(4);
      apiKeys.set(bytes.readInt32BE(8), apiKey);
      return { direction: 'request', apiKey, bytes };
    });
    this.#pump(broker, client, cut, (bytes) => {
      const correlationId = bytes.readInt32BE(4);
      const apiKey = apiKeys.get(correlationId) ?? -1;
      apiKeys.delete(correlationId);
      return { direction: 'answer', apiKey, bytes };
    });
  }

  #pump(from: Socket, to: Socket, cut: () => void, frameOf: (bytes: Buffer) => Frame): void {
    this.#sockets.add(from);
    let held = Buffer.alloc(0);
    let sent: Promise<void> = Promise.resolve();
    from.on('error', () => {});
    from.once('close', () => {
      void sent.then(cut);
    });
    from.on('data', (chunk) => {
      held = Buffer.concat([held, chunk]);
      while (held.length >= 4 && held.length >= 4 + held.readInt32BE(0)) {
        const size = 4 + held.readInt32BE(0);
        const frame = frameOf(held.subarray(0, size));
        held = held.subarray(size);
        const dueMs = Date.now() + this.#delayMs();
        sent = sent.then(() => this.#deliver(frame, to, dueMs, cut));
      }
    });
  }

  #delayMs(): number {
    const { latencyMs, jitterMs } = this.faults;
    return latencyMs + (jitterMs > 0 ? this.#random.below(jitterMs) : 0);
  }

  async #deliver(frame: Frame, to: Socket, dueMs: number, cut: () => void): Promise<void> {
    if (dueMs > Date.now()) await sleep(dueMs - Date.now());
    while (this.#silence !== undefined) await this.#silence.over;
    if (to.destroyed) return;
    if (this.faults.judge(frame) === 'lose') return cut();
    const { bytes } = frame;
    for (let at = 0; at < bytes.length; ) {
      const { bytesPerSecond, sliceBytes } = this.faults;
      const most = bytesPerSecond > 0 ? sliceBytes || narrowSliceBytes : sliceBytes || bytes.length;
      const slice = bytes.subarray(at, at + most);
      if (to.destroyed) return;
      if (!to.write(slice))
        await Promise.race([once(to, 'drain'), once(to, 'close')]).catch(() => {});
      at += slice.length;
      if (bytesPerSecond > 0) await sleep((1_000 * slice.length) / bytesPerSecond);
      else if (sliceBytes > 0 && at < bytes.length) await sleep(1);
    }
  }
}

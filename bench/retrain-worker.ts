// A worker of the `retrain` bench: real, but for its points, which are made instead of replayed. It is a thread of the bench, or, where
// it is to be stopped, a process of its own: retrain-worker.js JSON. It says 'ready', reads its segments when told 'read' and says
// 'read', and ends when told 'stop'.

import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { crc32c } from '@node-rs/crc32';
import { KafkaBroker } from '../broker/kafka/index.ts';
import { type ReplayedRows, RetrainWorker } from '../jobs/index.ts';
import type { JobRange, RetrainJob } from '../schemas/index.ts';
import { Random, silentLogger, systemClock } from '../support/index.ts';

export interface BenchWorkerData {
  readonly bootstrapServers: string;
  readonly application: string;
  readonly workerId: string;
  /** Of all workers. */
  readonly folder: string;
  /** Centres that the points lie about. */
  readonly centres: number;
}

export type BenchWorkerRequest = 'read' | 'stop';
export type BenchWorkerReply = 'ready' | 'read';

const batchRows = 8_192;

const { bootstrapServers, application, workerId, folder, centres } = (workerData ??
  JSON.parse(process.argv[2]!)) as BenchWorkerData;
const log = { clock: systemClock, logger: silentLogger };
const broker = new KafkaBroker({ bootstrapServers, clientId: workerId, ...log });
await broker.connect();
const stop = new AbortController();
hear((request) => {
  if (request === 'stop') return stop.abort();
  readSegments(join(folder, workerId));
  say('read');
});
const worker = new RetrainWorker({
  ...{ broker, application, workerId, folder, ...log },
  ...{ diskBytesMax: 1e12, memoryBytesMax: 1e12, encrypted: false, heartbeatMs: 500 },
  openRange: generated,
});
say('ready');
await worker.run(stop.signal);
await broker.close();
if (parentPort === null) process.disconnect();
else parentPort.close();

function say(reply: BenchWorkerReply): void {
  if (parentPort === null) process.send!(reply);
  else parentPort.postMessage(reply);
}

function hear(listen: (request: BenchWorkerRequest) => void): void {
  if (parentPort === null) process.on('message', listen);
  else parentPort.on('message', listen);
}

/** Points about the centres; each range has a seed of its own. */
async function* generated(
  { shape: { dims } }: RetrainJob,
  { from, to }: JobRange,
): AsyncGenerator<ReplayedRows> {
  const random = new Random(1);
  const about = Float32Array.from({ length: centres * dims }, () => 2 * random.float() - 1);
  const own = new Random(from + 7);
  const values = new Float32Array(batchRows * dims);
  for (let at = from; at < to; at += batchRows) {
    const n = Math.min(batchRows, to - at);
    for (let row = 0; row < n; row++) {
      const centre = own.below(centres) * dims;
      // Two uniform numbers: fast, and as good as normal ones here.
      for (let d = 0; d < dims; d++) {
        const u = own.uint32();
        const noise = ((u & 0xffff) + (u >>> 16)) / 65_536 - 1;
        values[row * dims + d] = about[centre + d]! + noise;
      }
    }
    yield { values, weights: undefined, n, records: n };
  }
}

/** A megabyte at a time, with a checksum as a worker makes it. */
function readSegments(from: string): void {
  const block = Buffer.alloc(1_048_576);
  for (const name of readdirSync(from)) {
    const file = openSync(join(from, name), 'r');
    for (;;) {
      const read = readSync(file, block, 0, block.length, null);
      if (read === 0) break;
      crc32c(block.subarray(0, read));
    }
    closeSync(file);
  }
}

// One retrain worker, in a thread with a Kafka connection of its own. Started by retrain-workers.ts.

import { parentPort, workerData } from 'node:worker_threads';
import type { LoadedSettings } from '../config/index.ts';
import { type DecodePoints, pointsOf, type ReplayedRows, RetrainWorker } from '../jobs/index.ts';
import type { JobRange, RetrainJob } from '../schemas/index.ts';
import { MeanstreamError, systemClock } from '../support/index.ts';
import type { CommandContext } from './command-context.ts';
import { openLogger } from './logging.ts';
import { openKafka } from './open-broker.ts';
import { pointDecoder } from './pipeline.ts';

export interface RetrainThreadData {
  readonly command: string;
  readonly loaded: LoadedSettings;
  readonly workerId: string;
  /** It ends after one job. */
  readonly once: boolean;
}

export type RetrainThreadReport =
  | { readonly ready: true }
  | { readonly failed: { readonly code: string; readonly message: string } };

const port = parentPort!;
const report = (message: RetrainThreadReport) => port.postMessage(message);

try {
  await run(workerData as RetrainThreadData);
} catch (error) {
  const code = error instanceof MeanstreamError ? error.code : 'MEANSTREAM_FATAL';
  const message = error instanceof Error ? error.message : String(error);
  report({ failed: { code, message } });
}
port.close();

async function run({ command, loaded, workerId, once }: RetrainThreadData): Promise<void> {
  const settings = loaded.values;
  const clock = systemClock;
  const logger = openLogger({
    level: settings['log.level'],
    service: `meanstream-${command}`,
    clock,
  });
  const context: CommandContext = { command, loaded, settings, clock, logger };
  const broker = await openKafka(context);
  const stopped = new AbortController();
  port.on('message', () => stopped.abort());
  const decode = pointDecoder(settings);
  const timeoutMs = settings['retrain.worker.timeout.ms'];
  const worker = new RetrainWorker({
    ...{ broker, application: settings['application.id'], workerId },
    folder: settings['retrain.dir'],
    diskBytesMax: settings['retrain.disk.bytes.max'],
    memoryBytesMax: settings['retrain.memory.bytes.max'],
    encrypted: settings['retrain.segments.encrypted'],
    heartbeatMs: Math.min(1_000, Math.floor(timeoutMs / 4)),
    onceWithinMs: once ? settings['retrain.wait.ms'] : undefined,
    openRange: (job, range) => rowsOf(job, range, decode),
    ...{ clock, logger },
  });
  try {
    report({ ready: true });
    await worker.run(stopped.signal);
  } finally {
    await broker.close();
  }

  async function* rowsOf(
    { shape }: RetrainJob,
    range: JobRange,
    decodePoints: DecodePoints,
  ): AsyncGenerator<ReplayedRows> {
    const replay = pointsOf(range, { broker, shape, decode: decodePoints });
    for await (const { points, n, records } of replay) {
      yield { values: points.values, weights: points.weights, n, records };
    }
  }
}

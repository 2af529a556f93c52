// One thread of `meanstream processor`: a member of the group with a runtime, a Kafka connection and metrics of its own.
// Started by processor-threads.ts, which it tells how it is twice a second; its state folder is that of the process.

import { parentPort, workerData } from 'node:worker_threads';
import type { LoadedSettings } from '../config/index.ts';
import type { RuntimeStatus } from '../runtime/index.ts';
import { MeanstreamError, Metrics, type MetricValues, systemClock } from '../support/index.ts';
import type { CommandContext } from './command-context.ts';
import { measureEventLoopLag } from './event-loop-lag.ts';
import { openLogger } from './logging.ts';
import { openKafka } from './open-broker.ts';
import { runtimeOf } from './runtime-of.ts';

export interface ThreadData {
  /** With the thread's own `group.instance.id`. */
  readonly loaded: LoadedSettings;
  readonly processId: string;
}

export type ThreadOrder = 'metrics' | 'stop';

export type ThreadReport =
  | { readonly status: RuntimeStatus }
  | { readonly metrics: MetricValues }
  | { readonly failed: { readonly code: string; readonly message: string } }
  | { readonly stopped: true };

const statusIntervalMs = 500;

const port = parentPort!;
const report = (message: ThreadReport) => port.postMessage(message);

try {
  await run(workerData as ThreadData);
} catch (error) {
  const code = error instanceof MeanstreamError ? error.code : 'MEANSTREAM_FATAL';
  const message = error instanceof Error ? error.message : String(error);
  report({ failed: { code, message } });
}
port.close();

async function run({ loaded, processId }: ThreadData): Promise<void> {
  const settings = loaded.values;
  const clock = systemClock;
  const service = 'meanstream-processor';
  const logger = openLogger({ level: settings['log.level'], service, clock });
  const context: CommandContext = { command: 'processor', loaded, settings, clock, logger };
  const metrics = new Metrics();
  const broker = await openKafka(context);
  const runtime = runtimeOf(context, broker, metrics, processId);
  const stopped = new Promise<void>((resolve) => {
    port.on('message', (order: ThreadOrder) => {
      if (order === 'stop') resolve();
      else void metrics.registry.getMetricsAsJSON().then((values) => report({ metrics: values }));
    });
  });
  const stopMeasuring = measureEventLoopLag(metrics, clock);
  const stopReporting = clock.every(statusIntervalMs, () => report({ status: runtime.status() }));
  try {
    await runtime.start();
    report({ status: runtime.status() });
    await stopped;
  } finally {
    stopReporting();
    stopMeasuring();
    await runtime.stop();
    await broker.close();
  }
  report({ stopped: true });
}

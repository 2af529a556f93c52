// `meanstream processor`: tasks over Kafka, with a small port for health and metrics. With one thread the tasks run here;
// with more, this one only answers the port.

import type { RuntimeStatus } from '../runtime/index.ts';
import { Metrics } from '../support/index.ts';
import type { CommandContext } from './command-context.ts';
import { requireTopics } from './deployment-topics.ts';
import { measureEventLoopLag } from './event-loop-lag.ts';
import type { ExitCode } from './exit-codes.ts';
import { startHealthServer } from './health-server.ts';
import { openKafka } from './open-broker.ts';
import { ProcessorThreads } from './processor-threads.ts';
import { runtimeHealth } from './runtime-health.ts';
import { runtimeOf } from './runtime-of.ts';
import { aborted, type Shutdown } from './shutdown.ts';
import { setV8Flags } from './v8-flags.ts';

interface Tasks {
  start(): Promise<void>;
  status(): RuntimeStatus;
  metrics(): Promise<string>;
  /** Rejects when the process has to end. */
  readonly failed: Promise<never>;
  stop(): Promise<void>;
}

export async function runProcessor(context: CommandContext, shutdown: Shutdown): Promise<ExitCode> {
  setV8Flags('processor');
  const { settings, logger, clock } = context;
  const metrics = new Metrics();
  metrics.collectProcessMetrics();
  const tasks =
    settings['num.stream.threads'] === 1
      ? await tasksHere(context, metrics)
      : await tasksInThreads(context, metrics);
  const health = await startHealthServer({
    host: settings['http.host'],
    port: settings['metrics.port'],
    metrics: { contentType: metrics.registry.contentType, metrics: () => tasks.metrics() },
    health: () => runtimeHealth(tasks.status()),
  });
  const stopMeasuring = measureEventLoopLag(metrics, clock);
  try {
    await tasks.start();
    const at = `http://${settings['http.host']}:${health.port}`;
    logger.info({ health: `${at}/readyz`, metrics: `${at}/metrics` }, 'processor is running');
    await Promise.race([aborted(shutdown.signal), tasks.failed]);
    logger.info({}, 'stopping: tasks commit what they have in hand');
  } finally {
    stopMeasuring();
    await tasks.stop();
    await health.close();
  }
  return shutdown.exitCode();
}

async function tasksHere(context: CommandContext, metrics: Metrics): Promise<Tasks> {
  const broker = await openKafka(context);
  const runtime = runtimeOf(context, broker, metrics);
  return {
    async start() {
      await requireTopics(context, broker);
      await runtime.start();
    },
    status: () => runtime.status(),
    metrics: () => metrics.registry.metrics(),
    failed: new Promise(() => {}),
    async stop() {
      await runtime.stop();
      await broker.close();
    },
  };
}

async function tasksInThreads(context: CommandContext, metrics: Metrics): Promise<Tasks> {
  const broker = await openKafka(context);
  try {
    await requireTopics(context, broker);
  } finally {
    await broker.close();
  }
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => {});
  const threads = new ProcessorThreads(context, (error) => fail(error));
  return {
    start: () => Promise.race([threads.started, failed]),
    status: () => threads.status(),
    metrics: async () => threads.metrics(await metrics.registry.getMetricsAsJSON()),
    failed,
    stop: () => threads.stop(),
  };
}

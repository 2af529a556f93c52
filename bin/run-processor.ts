// `meanstream processor`: tasks over Kafka, with a small port for health and metrics.

import { Metrics } from '../support/index.ts';
import type { CommandContext } from './command-context.ts';
import { requireTopics } from './deployment-topics.ts';
import { measureEventLoopLag } from './event-loop-lag.ts';
import type { ExitCode } from './exit-codes.ts';
import { startHealthServer } from './health-server.ts';
import { openKafka } from './open-broker.ts';
import { runtimeHealth } from './runtime-health.ts';
import { runtimeOf } from './runtime-of.ts';
import { aborted, type Shutdown } from './shutdown.ts';

export async function runProcessor(context: CommandContext, shutdown: Shutdown): Promise<ExitCode> {
  const { settings, logger, clock } = context;
  const metrics = new Metrics();
  metrics.collectProcessMetrics();
  const broker = await openKafka(context);
  const runtime = runtimeOf(context, broker, metrics);
  const health = await startHealthServer({
    host: settings['http.host'],
    port: settings['metrics.port'],
    metrics,
    health: () => runtimeHealth(runtime.status()),
  });
  const stopMeasuring = measureEventLoopLag(metrics, clock);
  try {
    await requireTopics(context, broker);
    await runtime.start();
    const at = `http://${settings['http.host']}:${health.port}`;
    logger.info({ health: `${at}/readyz`, metrics: `${at}/metrics` }, 'processor is running');
    await aborted(shutdown.signal);
    logger.info({}, 'stopping: tasks commit what they have in hand');
  } finally {
    stopMeasuring();
    await runtime.stop();
    await health.close();
    await broker.close();
  }
  return shutdown.exitCode();
}

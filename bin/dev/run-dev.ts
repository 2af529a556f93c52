// `meanstream dev` in one process: embedded log, tasks, gateway, dashboard, a demo, and whoever runs retrains.
// Starts in the order in which each needs the other, stops in the reverse one, so that what is in hand is committed.

import { join } from 'node:path';
import { InvalidSettingError, Metrics } from '../../support/index.ts';
import type { CommandContext, SettingFlags } from '../command-context.ts';
import { measureEventLoopLag } from '../event-loop-lag.ts';
import type { ExitCode } from '../exit-codes.ts';
import { requireFreePort } from '../free-port.ts';
import { gatewayOf } from '../gateway-of.ts';
import { openEmbedded } from '../open-broker.ts';
import { pipelineOf } from '../pipeline.ts';
import { productTopics } from '../product-topics.ts';
import { runtimeHealth } from '../runtime-health.ts';
import { runtimeOf } from '../runtime-of.ts';
import { retrainRunnerOf } from '../serve-retrains.ts';
import { aborted, type Shutdown } from '../shutdown.ts';
import { boxed } from '../terminal.ts';
import { streamDemo } from './demo-stream.ts';

export interface DevFlags extends SettingFlags {
  readonly port?: string;
  readonly dataDir: string;
  readonly demo: boolean;
  readonly demoRate: number;
}

type Stop = () => Promise<void>;

export async function runDev(
  context: CommandContext,
  flags: DevFlags,
  shutdown: Shutdown,
): Promise<ExitCode> {
  const { settings } = context;
  if (settings['num.stream.threads'] > 1) {
    throw new InvalidSettingError(
      `num.stream.threads is ${settings['num.stream.threads']}, but the embedded log of \`dev\` is for one thread; set it to 1, or run \`meanstream processor\` on Kafka.`,
    );
  }
  await requireFreePort(settings['http.host'], settings['http.port'], '--port');
  process.stderr.write(`${boxed(notice)}\n`);
  const stops: Stop[] = [];
  try {
    const { url } = await startAll(context, flags, shutdown, stops);
    process.stdout.write(`${welcome(url, flags)}\n`);
    await aborted(shutdown.signal);
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
  return shutdown.exitCode();
}

async function startAll(
  context: CommandContext,
  { dataDir, demo, demoRate }: DevFlags,
  { signal }: Shutdown,
  stops: Stop[],
): Promise<{ url: string }> {
  const { settings, clock, logger } = context;
  const metrics = new Metrics();
  metrics.collectProcessMetrics();
  const broker = await openEmbedded(context, dataDir);
  stops.push(() => broker.close());
  await broker.createTopics(productTopics(settings, pipelineOf(settings)));
  const runtime = runtimeOf(context, broker, metrics);
  const gateway = gatewayOf(context, {
    broker,
    metrics,
    health: () => runtimeHealth(runtime.status()),
  });
  stops.push(() => gateway.stop());
  const { url } = await gateway.start();
  stops.push(() => runtime.stop());
  await runtime.start();
  const stopMeasuring = measureEventLoopLag(metrics, clock);
  const runner = await retrainRunnerOf(context, { broker, metrics });
  const working: Promise<void>[] = [];
  if (demo) {
    const streaming = streamDemo(context, { broker, rate: demoRate, signal });
    working.push(streaming.catch((err) => logger.error({ err }, 'the demo has stopped')));
  }
  stops.push(async () => {
    stopMeasuring();
    await runner.stop();
    await Promise.all(working);
  });
  return { url };
}

const notice = [
  'Embedded log: for development and small single-node use, not for production.',
  'For production run `meanstream processor` and `meanstream gateway` against Kafka.',
];

function welcome(url: string, { dataDir, demo, demoRate }: DevFlags): string {
  const source = demo
    ? `Shuttle, 9 sensors, ${demoRate} points/s (--no-demo for none)`
    : 'none: send your own';
  return [
    `dashboard  ${url}/`,
    `points     POST ${url}/v1/points`,
    `live       ws${url.slice('http'.length)}/v1/assignments/live`,
    `metrics    ${url}/metrics`,
    `demo       ${source}`,
    '',
    `Ctrl-C stops; data stays in ${join(dataDir)}`,
  ].join('\n');
}

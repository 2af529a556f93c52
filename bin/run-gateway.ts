// `meanstream gateway`: HTTP, WebSocket and dashboard over what is in Kafka.

import { Metrics } from '../support/index.ts';
import type { CommandContext } from './command-context.ts';
import { requireTopics } from './deployment-topics.ts';
import { measureEventLoopLag } from './event-loop-lag.ts';
import type { ExitCode } from './exit-codes.ts';
import { requireFreePort } from './free-port.ts';
import { gatewayOf } from './gateway-of.ts';
import { openKafka } from './open-broker.ts';
import { aborted, type Shutdown } from './shutdown.ts';
import { setV8Flags } from './v8-flags.ts';

export async function runGateway(context: CommandContext, shutdown: Shutdown): Promise<ExitCode> {
  setV8Flags('gateway');
  const { settings, clock } = context;
  await requireFreePort(settings['http.host'], settings['http.port'], '--port');
  const metrics = new Metrics();
  metrics.collectProcessMetrics();
  const broker = await openKafka(context);
  const gateway = gatewayOf(context, { broker, metrics });
  const stopMeasuring = measureEventLoopLag(metrics, clock);
  try {
    await requireTopics(context, broker);
    await gateway.start();
    await aborted(shutdown.signal);
  } finally {
    stopMeasuring();
    await gateway.stop();
    await broker.close();
  }
  return shutdown.exitCode();
}

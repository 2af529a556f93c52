// `meanstream processor` and `meanstream gateway`: the two long-running services, against Kafka.

import type { Command } from 'commander';
import { example, openContext, type SettingFlags, withSettings } from '../command-context.ts';
import { listenForSignals } from '../shutdown.ts';

export function addServices(program: Command): void {
  withSettings(program.command('processor'))
    .description('assign points and keep the model, as one of any number of processes')
    .addHelpText(
      'after',
      `
Health and metrics are on metrics.port: /livez /readyz /startupz /metrics. The topics must exist (topics apply).
${example('meanstream processor --set bootstrap.servers=localhost:9092')}`,
    )
    .action(processor);
  withSettings(program.command('gateway'))
    .description('HTTP, WebSocket and dashboard over what is in Kafka')
    .option('--port <port>', 'to listen on (default: 8080)')
    .addHelpText(
      'after',
      example('meanstream gateway --set bootstrap.servers=localhost:9092 --set http.host=0.0.0.0'),
    )
    .action(gateway);
}

async function processor(flags: SettingFlags): Promise<void> {
  const context = openContext({ command: 'processor', flags });
  const shutdown = listenForSignals();
  const { runProcessor } = await import('../run-processor.ts');
  process.exitCode = await runProcessor(context, shutdown);
}

async function gateway(flags: SettingFlags & { readonly port?: string }): Promise<void> {
  const named = { 'http.port': { flag: '--port', raw: flags.port } } as const;
  const context = openContext({ command: 'gateway', flags, named });
  const shutdown = listenForSignals();
  const { runGateway } = await import('../run-gateway.ts');
  process.exitCode = await runGateway(context, shutdown);
}

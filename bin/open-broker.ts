// Chooses the log: Kafka by the settings, or the embedded one in a folder. The only place that names an adapter.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Broker } from '../broker/index.ts';
import { KafkaBroker, type SaslOptions, type TlsOptions } from '../broker/kafka/index.ts';
import type { SettingValues } from '../config/index.ts';
import { InvalidSettingError } from '../support/index.ts';
import type { CommandContext } from './command-context.ts';
import { usageError } from './exit-codes.ts';

/**
 * Connected; the caller closes it.
 * @throws InvalidSettingError without bootstrap.servers, DependencyDownError when no broker answers.
 */
export async function openKafka({ settings, clock, logger }: CommandContext): Promise<Broker> {
  const servers = settings['bootstrap.servers'];
  if (servers.length === 0) {
    throw new InvalidSettingError(
      'bootstrap.servers is not set; name the brokers with --set bootstrap.servers=host:port or MEANSTREAM_BOOTSTRAP_SERVERS. ' +
        'Without Kafka there is `meanstream dev`.',
    );
  }
  const broker = new KafkaBroker({
    bootstrapServers: servers.join(','),
    clientId: `${settings['application.id']}-${settings['group.instance.id']}`,
    transactionTimeoutMs: settings['transaction.timeout.ms'],
    ssl: tlsOf(settings),
    sasl: saslOf(settings),
    clock,
    logger,
  });
  try {
    await broker.connect();
  } catch (error) {
    await broker.close();
    throw error;
  }
  return broker;
}

/** Connected; the caller closes it. The log of `dev`, in `<data dir>/log`: one process at a time. */
export async function openEmbedded(
  { clock, logger }: CommandContext,
  dataDir: string,
): Promise<Broker> {
  const { EmbeddedBroker } = await import('../broker/embedded/index.ts');
  const broker = new EmbeddedBroker({ dataDir: join(dataDir, 'log'), clock, logger });
  await broker.connect();
  return broker;
}

/**
 * The log of a `dev` that is not running; the caller closes it. None is made.
 * @throws MeanstreamError MEANSTREAM_USAGE when there is none
 */
export async function openStopped(context: CommandContext, dataDir: string): Promise<Broker> {
  if (existsSync(join(dataDir, 'log'))) return openEmbedded(context, dataDir);
  throw usageError(
    `There is no embedded log in ${dataDir}; name the folder of \`dev\` with --data-dir, or Kafka with --set bootstrap.servers=host:port.`,
  );
}

function tlsOf(settings: SettingValues): boolean | TlsOptions {
  if (!settings['security.protocol'].endsWith('SSL')) return false;
  const file = settings['ssl.ca.file'];
  return file === '' ? true : { ca: readFileSync(file, 'utf8') };
}

function saslOf(settings: SettingValues): SaslOptions | undefined {
  if (!settings['security.protocol'].startsWith('SASL')) return undefined;
  const username = settings['sasl.username'];
  const password = settings['sasl.password'];
  const mechanism = settings['sasl.mechanism'];
  if (mechanism === 'PLAIN') return { mechanism: 'plain', username, password };
  return mechanism === 'SCRAM-SHA-256'
    ? { mechanism: 'scram-sha-256', username, password }
    : { mechanism: 'scram-sha-512', username, password };
}

// What must be right on the other side: brokers that answer, and topics as planned.

import type { Broker } from '../../broker/index.ts';
import type { CommandContext } from '../command-context.ts';
import { currentPlan } from '../deployment-topics.ts';
import { openKafka } from '../open-broker.ts';
import type { Check, Finding } from './check.ts';

/** Nothing to check without bootstrap.servers: `dev` brings its own log. */
export function kafkaChecks(context: CommandContext): Check[] {
  const servers = context.settings['bootstrap.servers'];
  if (servers.length === 0) return [];
  const address = servers.join(',');
  let broker: Broker | undefined;
  return [
    {
      name: 'Kafka',
      look: async () => {
        try {
          broker = await openKafka(context);
          return { ok: true, found: `answers at ${address}` };
        } catch (error) {
          const found = error instanceof Error ? error.message : String(error);
          return { ok: false, found, remedy: kafkaRemedy(found, address) };
        }
      },
    },
    {
      name: 'topics',
      look: async () => {
        if (broker === undefined)
          return { ok: false, found: 'not looked at', remedy: 'See Kafka.' };
        try {
          return await topicsAsPlanned(context, broker);
        } finally {
          await broker.close();
        }
      },
    },
  ];
}

async function topicsAsPlanned(context: CommandContext, broker: Broker): Promise<Finding> {
  const plan = await currentPlan(context, broker);
  const missing = plan.filter((entry) => entry.action === 'create');
  const differing = plan.filter((entry) => entry.action === 'differs');
  if (missing.length > 0) {
    const found = `missing: ${missing.map((entry) => entry.topic).join(', ')}`;
    return { ok: false, found, remedy: 'Run `meanstream topics apply`.' };
  }
  if (differing.length > 0) {
    const found = differing.map(({ topic, details }) => `${topic}: ${details}`).join('; ');
    const remedy =
      'Change the settings to what is there, or the topics with kafka-configs.sh and kafka-topics.sh.';
    return { ok: false, found, remedy };
  }
  return { ok: true, found: `all ${plan.length} as planned` };
}

function kafkaRemedy(message: string, address: string): string {
  if (/sasl|authent/i.test(message)) {
    return 'Check sasl.mechanism, sasl.username and sasl.password against the broker.';
  }
  if (/ssl|tls|certificate/i.test(message)) {
    return 'Check security.protocol, and name the certificate authority with ssl.ca.file.';
  }
  return `Start Kafka at ${address} (\`npm run kafka\` starts one on this machine), or correct bootstrap.servers.`;
}

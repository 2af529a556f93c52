// `meanstream topics plan|apply`: the topics a deployment needs, against what is there.

import type { Command } from 'commander';
import {
  example,
  openContext,
  quiet,
  type SettingFlags,
  withSettings,
} from '../command-context.ts';
import { exitCodes } from '../exit-codes.ts';
import { table } from '../terminal.ts';
import type { TopicPlanEntry } from '../topic-plan.ts';

interface TopicsFlags extends SettingFlags {
  readonly json?: boolean;
}

export function addTopics(program: Command): void {
  const topics = program.command('topics').description('the topics this needs: show and make them');
  withSettings(topics.command('plan'))
    .description('what exists, what is missing, what differs; changes nothing')
    .option('--json', 'as JSON')
    .addHelpText('after', example('meanstream topics plan --set bootstrap.servers=localhost:9092'))
    .action((flags: TopicsFlags) => run('plan', flags));
  withSettings(topics.command('apply'))
    .description('create what is missing; topics that exist are left as they are')
    .option('--json', 'as JSON')
    .addHelpText(
      'after',
      `\nEnds with exit code 4 when a topic exists but differs: changing it is for people to decide.\n${example(
        'meanstream topics apply --set bootstrap.servers=localhost:9092 --set replication.factor=3',
      )}`,
    )
    .action((flags: TopicsFlags) => run('apply', flags));
}

async function run(verb: 'plan' | 'apply', flags: TopicsFlags): Promise<void> {
  const context = openContext({ command: 'topics', flags, defaults: quiet });
  const { openKafka } = await import('../open-broker.ts');
  const { wantedTopics, currentPlan } = await import('../deployment-topics.ts');
  const broker = await openKafka(context);
  try {
    const plan = await currentPlan(context, broker);
    if (verb === 'apply') {
      const missing = new Set(namesOf(plan, 'create'));
      const specs = wantedTopics(context).filter((spec) => missing.has(spec.name));
      if (specs.length > 0) await broker.createTopics(specs);
    }
    print(plan, verb, flags.json ?? false);
    const differing = namesOf(plan, 'differs');
    if (verb === 'apply' && differing.length > 0) process.exitCode = exitCodes.checkFailed;
  } finally {
    await broker.close();
  }
}

function print(plan: readonly TopicPlanEntry[], verb: 'plan' | 'apply', asJson: boolean): void {
  if (asJson) {
    process.stdout.write(`${JSON.stringify(plan, null, 2)}\n`);
    return;
  }
  const past = { create: 'created', keep: 'kept', differs: 'differs' };
  const rows = plan.map(({ topic, action, details }) => [
    topic,
    verb === 'apply' ? past[action] : action,
    details,
  ]);
  process.stdout.write(`${table(['topic', 'action', 'partitions × replicas, settings'], rows)}\n`);
}

function namesOf(plan: readonly TopicPlanEntry[], action: TopicPlanEntry['action']): string[] {
  return plan.filter((entry) => entry.action === action).map((entry) => entry.topic);
}

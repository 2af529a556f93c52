// Topics as they should be against topics as they are. Pure: what `topics plan` shows is what `topics apply` acts on.

import type { TopicDescription } from '../broker/index.ts';
import type { TopicSpec } from '../schemas/index.ts';

export interface TopicPlanEntry {
  readonly topic: string;
  /** `create`: missing. `keep`: as it should be. `differs`: exists, and changing it is for people to decide. */
  readonly action: 'create' | 'keep' | 'differs';
  readonly details: string;
}

export function planTopics(
  specs: readonly TopicSpec[],
  existing: readonly TopicDescription[],
): TopicPlanEntry[] {
  const byName = new Map(existing.map((topic) => [topic.name, topic]));
  return specs.map((spec) => {
    const found = byName.get(spec.name);
    if (found === undefined) return { topic: spec.name, action: 'create', details: wanted(spec) };
    const differences = compare(spec, found);
    return differences.length === 0
      ? { topic: spec.name, action: 'keep', details: wanted(spec) }
      : { topic: spec.name, action: 'differs', details: differences.join('; ') };
  });
}

function wanted({ partitions, replicationFactor, configs }: TopicSpec): string {
  const settings = Object.entries(configs).map(([name, value]) => `${name}=${value}`);
  return [`${partitions} × ${replicationFactor}`, ...settings].join(', ');
}

function compare(spec: TopicSpec, found: TopicDescription): string[] {
  const differences: string[] = [];
  if (found.partitions !== spec.partitions) {
    differences.push(`${found.partitions} partitions instead of ${spec.partitions}`);
  }
  if (found.replicationFactor < spec.replicationFactor) {
    differences.push(`${found.replicationFactor} replicas instead of ${spec.replicationFactor}`);
  }
  for (const [name, value] of Object.entries(spec.configs)) {
    const actual = found.configs[name];
    if (actual !== undefined && normalised(actual) !== normalised(value)) {
      differences.push(`${name} is ${actual} instead of ${value}`);
    }
  }
  return differences;
}

/** Kafka gives lists back in an order of its own: "delete,compact". */
function normalised(value: string): string {
  return value.split(',').sort().join(',');
}

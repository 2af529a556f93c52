import { expect, test } from 'vitest';
import type { TopicSpec } from '../schemas/index.ts';
import { planTopics } from './topic-plan.ts';

const spec: TopicSpec = {
  name: 'assignments',
  partitions: 4,
  replicationFactor: 3,
  configs: { 'cleanup.policy': 'compact,delete' },
};

test('a missing topic is to be created', () => {
  expect(planTopics([spec], [])[0]).toMatchObject({ topic: 'assignments', action: 'create' });
});

test('a topic as it should be is kept, whatever order Kafka lists its policies in', () => {
  const found = { ...spec, configs: { 'cleanup.policy': 'delete,compact', 'retention.ms': '1' } };
  expect(planTopics([spec], [found])[0]?.action).toBe('keep');
});

test('more replicas than asked for are fine', () => {
  expect(planTopics([spec], [{ ...spec, replicationFactor: 5 }])[0]?.action).toBe('keep');
});

test('other partitions, fewer replicas and other settings are told apart', () => {
  const found = {
    ...spec,
    partitions: 2,
    replicationFactor: 1,
    configs: { 'cleanup.policy': 'delete' },
  };
  expect(planTopics([spec], [found])[0]).toEqual({
    topic: 'assignments',
    action: 'differs',
    details:
      '2 partitions instead of 4; 1 replicas instead of 3; cleanup.policy is delete instead of compact,delete',
  });
});

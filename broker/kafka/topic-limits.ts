// The largest batch each topic takes, asked once per topic and again after Kafka has called a batch too large.

import { RetriableError } from '../../support/index.ts';
import type { Append } from '../broker.ts';
import { check, isForbidden } from './kafka-errors.ts';
import type { WriterConnections } from './writer-connections.ts';

const topicResource = 2;
/** Kafka's own default of max.message.bytes, for topics whose settings we may not see. */
const batchBytesDefault = 1_048_588;

export class TopicLimits {
  readonly #connections: WriterConnections;
  readonly #bytesMax = new Map<string, number>();

  constructor(connections: WriterConnections) {
    this.#connections = connections;
  }

  /** @throws RetriableError: nothing has been sent yet */
  async of(appends: readonly Pick<Append, 'topic'>[]): Promise<ReadonlyMap<string, number>> {
    const topics = appends.map(({ topic }) => topic);
    const unknown = [...new Set(topics)].filter((topic) => !this.#bytesMax.has(topic));
    try {
      if (unknown.length > 0) await this.#ask(unknown);
    } catch (cause) {
      throw new RetriableError(`The limits of ${topics.join(', ')} could not be read.`, { cause });
    }
    return this.#bytesMax;
  }

  /** Of all the topics, as far as it needs no asking. */
  known(appends: readonly Pick<Append, 'topic'>[]): ReadonlyMap<string, number> | undefined {
    return appends.every(({ topic }) => this.#bytesMax.has(topic)) ? this.#bytesMax : undefined;
  }

  forget(topic: string): void {
    this.#bytesMax.delete(topic);
  }

  async #ask(topics: readonly string[]): Promise<void> {
    const node = await this.#connections.controller();
    const resources = topics.map((name) => ({ type: topicResource, name }));
    const answer = await node.call('DescribeConfigs', { resources, includeSynonyms: false });
    for (const { resourceName, errorCode, configEntries } of answer.resources) {
      try {
        check(`DescribeConfigs of ${resourceName}`, errorCode);
      } catch (error) {
        if (!isForbidden(error)) throw error;
      }
      const limit = configEntries.find(({ configName }) => configName === 'max.message.bytes');
      this.#bytesMax.set(resourceName, Number(limit?.configValue ?? batchBytesDefault));
    }
  }
}

// The processors of one task, made anew for each, and the calls they get. An exception of theirs becomes a
// ProcessorFailedError that says where it happened; errors that already name a reaction pass as they are.

import type { Processor } from '../processors/index.ts';
import type { RecordBatch } from '../schemas/index.ts';
import { AssertionError, MeanstreamError, ProcessorFailedError } from '../support/index.ts';
import type { SubTopology } from '../topology/index.ts';
import { type Child, NodeContext, type TaskScope } from './processor-context.ts';

interface Member extends Child {
  readonly name: string;
  opened: boolean;
}

export class ProcessorGraph {
  readonly #taskId: string;
  /** Parents before children. */
  readonly #members: readonly Member[];
  readonly #readersOf = new Map<string, Member[]>();

  constructor({ processors, sources }: SubTopology, scope: TaskScope) {
    this.#taskId = scope.taskId;
    const childrenOf = new Map(processors.map(({ name }) => [name, new Map<string, Child>()]));
    this.#members = processors.map((node) => {
      const processor: Processor = node.create();
      const context = new NodeContext(scope, node, childrenOf.get(node.name)!);
      const member = { name: node.name, processor, context, opened: false };
      for (const parent of node.from) childrenOf.get(parent)?.set(node.name, member);
      return member;
    });
    for (const { name } of sources) {
      const readers = processors
        .filter((node) => node.from.includes(name))
        .map((node) => node.name);
      this.#readersOf.set(
        name,
        this.#members.filter((member) => readers.includes(member.name)),
      );
    }
  }

  async open(): Promise<void> {
    for (const member of this.#members) {
      member.opened = true;
      try {
        await member.processor.open?.(member.context);
      } catch (error) {
        throw this.#failure(error, `processor "${member.name}" failed to open`);
      }
    }
  }

  /** Hands a batch of a source to everyone who reads it. */
  process(source: string, batch: RecordBatch): void {
    for (const { name, processor, context } of this.#readersOf.get(source)!) {
      try {
        processor.process(batch, context);
      } catch (error) {
        const { topic, partition, offsets, n } = batch;
        throw this.#failure(
          error,
          `processor "${name}" or one behind it failed on ${topic}-${partition}, offsets ${offsets[0]} to ${offsets[n - 1]}`,
          { topic, partition, offset: offsets[0] },
        );
      }
    }
  }

  flush(): void {
    for (const { name, processor, context } of this.#members) {
      try {
        processor.flush?.(context);
      } catch (error) {
        throw this.#failure(error, `processor "${name}" failed to flush`);
      }
    }
  }

  /** Runs something of a processor's, such as its punctuations. */
  run<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      throw this.#failure(error, 'a punctuation failed');
    }
  }

  /** Closes those that were opened, all of them whatever some of them throw. @returns what was thrown. */
  close(): unknown[] {
    const errors: unknown[] = [];
    for (const member of this.#members.toReversed()) {
      if (!member.opened) continue;
      member.opened = false;
      try {
        member.processor.close?.();
      } catch (error) {
        errors.push(error);
      }
    }
    return errors;
  }

  #failure(error: unknown, what: string, fields: Record<string, unknown> = {}): unknown {
    if (error instanceof MeanstreamError || error instanceof AssertionError) return error;
    const cause = error instanceof Error ? error.message : String(error);
    return new ProcessorFailedError(`In task ${this.#taskId} ${what}: ${cause}`, {
      taskId: this.#taskId,
      ...fields,
      cause: error,
    });
  }
}

// What one processor of one task may do. Everything goes through the task; the context only adds who is asking, so
// that a processor reaches no more than the topology gives it.

import type { Processor, ProcessorContext, PunctuationKind } from '../processors/index.ts';
import type { RecordBatchBuilder } from '../schemas/index.ts';
import type { GlobalStore, KeyValueStore } from '../state-stores/index.ts';
import { assert, type Logger, type Metrics } from '../support/index.ts';
import type { ProcessorNode } from '../topology/index.ts';

/** What the contexts of one task have in common. */
export interface TaskScope {
  readonly applicationId: string;
  readonly taskId: string;
  readonly partition: number;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly streamTimeMs: number;
  nowMs(): number;
  output(sink: string, processor: string): RecordBatchBuilder;
  storeOf(name: string, processor: string): KeyValueStore | GlobalStore;
  schedule(
    intervalMs: number,
    kind: PunctuationKind,
    callback: (nowMs: number) => void,
  ): () => void;
  retryLater(reason: string, processor: string): void;
}

export interface Child {
  readonly processor: Processor;
  readonly context: ProcessorContext;
}

export class NodeContext implements ProcessorContext {
  readonly applicationId: string;
  readonly taskId: string;
  readonly partition: number;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly #scope: TaskScope;
  readonly #node: ProcessorNode;
  readonly #children: ReadonlyMap<string, Child>;

  /** `children` may be filled after this: they are made in order, parents first. */
  constructor(scope: TaskScope, node: ProcessorNode, children: ReadonlyMap<string, Child>) {
    this.applicationId = scope.applicationId;
    this.taskId = scope.taskId;
    this.partition = scope.partition;
    this.logger = scope.logger;
    this.metrics = scope.metrics;
    this.#scope = scope;
    this.#node = node;
    this.#children = children;
  }

  get streamTimeMs(): number {
    return this.#scope.streamTimeMs;
  }

  currentSystemTimeMs(): number {
    return this.#scope.nowMs();
  }

  forward(processor: string, batch: unknown): void {
    const child = this.#children.get(processor);
    assert(
      child !== undefined,
      `Processor "${this.#node.name}" does not feed "${processor}" in the topology.`,
    );
    child.processor.process(batch, child.context);
  }

  output(sink: string): RecordBatchBuilder {
    return this.#scope.output(sink, this.#node.name);
  }

  store<Store>(name: string): Store {
    return this.#scope.storeOf(name, this.#node.name) as Store;
  }

  schedule(
    intervalMs: number,
    kind: PunctuationKind,
    callback: (nowMs: number) => void,
  ): () => void {
    assert(intervalMs > 0, `Processor "${this.#node.name}" schedules every ${intervalMs} ms.`);
    return this.#scope.schedule(intervalMs, kind, callback);
  }

  retryLater(reason: string): void {
    this.#scope.retryLater(reason, this.#node.name);
  }
}

// A topology is a value: sources, processors, stores and sinks, and who feeds whom. It describes itself and runs
// nothing; runtime/ runs it. Each connected piece (a sub-topology) becomes one task per partition of its sources.

import type { Processor } from '../processors/index.ts';
import type { GlobalStore, StoreDefinition } from '../state-stores/index.ts';
import { InvalidTopologyError } from '../support/index.ts';

export interface SourceOptions {
  readonly topic: string;
}

export interface ProcessorOptions {
  /** Sources or processors that may hand it batches. */
  readonly from: readonly string[];
  /** Called once per task: instances share nothing. */
  // biome-ignore lint/suspicious/noExplicitAny: a node takes whatever its parents hand it; the graph cannot type that.
  readonly create: () => Processor<any>;
}

export interface SinkOptions {
  readonly from: readonly string[];
  readonly topic: string;
}

export interface StoreOptions {
  readonly usedBy: readonly string[];
}

export interface GlobalStoreOptions {
  readonly topic: string;
  /** Called once per process. */
  readonly create: () => GlobalStore;
}

export interface SourceNode extends SourceOptions {
  readonly kind: 'source';
  readonly name: string;
}
export interface ProcessorNode extends ProcessorOptions {
  readonly kind: 'processor';
  readonly name: string;
}
export interface SinkNode extends SinkOptions {
  readonly kind: 'sink';
  readonly name: string;
}
export interface StoreNode extends StoreOptions {
  readonly definition: StoreDefinition;
}
export interface GlobalStoreNode extends GlobalStoreOptions {
  readonly name: string;
}

/** One connected piece. Its `id` names tasks ("assign_3") and transactional ids, so it stays stable over versions. */
export interface SubTopology {
  /** The name of its first processor. */
  readonly id: string;
  readonly sources: readonly SourceNode[];
  readonly processors: readonly ProcessorNode[];
  readonly sinks: readonly SinkNode[];
  readonly stores: readonly StoreDefinition[];
}

export class Topology {
  readonly #nodes = new Map<string, SourceNode | ProcessorNode | SinkNode>();
  readonly #stores: StoreNode[] = [];
  readonly #globalStores: GlobalStoreNode[] = [];

  source(name: string, options: SourceOptions): this {
    return this.#add({ kind: 'source', name, ...options });
  }

  processor(name: string, options: ProcessorOptions): this {
    return this.#add({ kind: 'processor', name, ...options });
  }

  sink(name: string, options: SinkOptions): this {
    return this.#add({ kind: 'sink', name, ...options });
  }

  store(definition: StoreDefinition, options: StoreOptions): this {
    this.#stores.push({ definition, ...options });
    return this;
  }

  globalStore(name: string, options: GlobalStoreOptions): this {
    this.#globalStores.push({ name, ...options });
    return this;
  }

  get globalStores(): readonly GlobalStoreNode[] {
    return this.#globalStores;
  }

  #add(node: SourceNode | ProcessorNode | SinkNode): this {
    if (this.#nodes.has(node.name)) {
      throw new InvalidTopologyError(
        `The name "${node.name}" is used twice; give one of the nodes another name.`,
      );
    }
    this.#nodes.set(node.name, node);
    return this;
  }
}

// The nodes of a topology and the connected pieces they fall into. Plain data, apart from the `create` functions.

import type { Processor } from '../processors/index.ts';
import type { GlobalStore, StoreDefinition } from '../state-stores/index.ts';

export interface SourceOptions {
  readonly topic: string;
}

export interface ProcessorOptions {
  /** Sources or processors that may hand it batches. */
  readonly from: readonly string[];
  /** Called once per task: instances share nothing. */
  // biome-ignore lint/suspicious/noExplicitAny: a node takes whatever its parents hand it; the graph cannot type that.
  readonly create: () => Processor<any>;
  /** Commits of its task begin at least this far apart, however short the interval is: nobody waits for them so closely. */
  readonly commitMsMin?: number;
}

export interface SinkOptions {
  /** Processors that may write to it. */
  readonly from: readonly string[];
  readonly topic: string;
}

export interface StoreOptions {
  /** Processors that may read and write it. */
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
export interface StoreNode extends StoreDefinition, StoreOptions {}
export interface GlobalStoreNode extends GlobalStoreOptions {
  readonly name: string;
}

export type Node = SourceNode | ProcessorNode | SinkNode;

/** One connected piece. Its `id` names tasks ("assign_3") and transactional ids, so it stays stable over versions. */
export interface SubTopology {
  /** The name of its last processor, the one everything flows to. */
  readonly id: string;
  readonly sources: readonly SourceNode[];
  /** Parents before children. */
  readonly processors: readonly ProcessorNode[];
  readonly sinks: readonly SinkNode[];
  readonly stores: readonly StoreNode[];
  /** The largest of its processors. */
  readonly commitMsMin: number;
}

/** Everything that was declared, in the order of declaration. Names may still clash and parents be missing. */
export interface Declarations {
  readonly nodes: readonly Node[];
  readonly stores: readonly StoreNode[];
  readonly globalStores: readonly GlobalStoreNode[];
}

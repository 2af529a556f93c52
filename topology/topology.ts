// A topology is a value: sources, processors, stores and sinks, and who feeds whom. It describes itself and runs
// nothing; runtime/ runs it. Each connected piece (a sub-topology) becomes one task per partition of its sources.
//
//   new Topology()
//     .source('lines', { topic: 'lines' })
//     .processor('count', { from: ['lines'], create: () => new CountWords() })
//     .store({ name: 'counts', schemaVersion: 1 }, { usedBy: ['count'] })
//     .sink('totals', { from: ['count'], topic: 'totals' });
//
// Declaring never fails, so that `subTopologies` can report all that is wrong at once.

import type { StoreDefinition } from '../state-stores/index.ts';
import { InvalidTopologyError } from '../support/index.ts';
import { describeTopology, topologyToMermaid } from './describe.ts';
import type {
  GlobalStoreNode,
  GlobalStoreOptions,
  Node,
  ProcessorOptions,
  SinkOptions,
  SourceOptions,
  StoreNode,
  StoreOptions,
  SubTopology,
} from './nodes.ts';
import { splitIntoSubTopologies } from './sub-topologies.ts';
import { topologyFaults } from './topology-faults.ts';

export class Topology {
  readonly #nodes: Node[] = [];
  readonly #stores: StoreNode[] = [];
  readonly #globalStores: GlobalStoreNode[] = [];

  /** Records of a topic. */
  source(name: string, options: SourceOptions): this {
    this.#nodes.push({ kind: 'source', name, ...options });
    return this;
  }

  /** What happens to a batch of its parents. One instance a task. */
  processor(name: string, options: ProcessorOptions): this {
    this.#nodes.push({ kind: 'processor', name, ...options });
    return this;
  }

  /** A topic that processors write to: partition p of a task goes to partition p of the topic. */
  sink(name: string, options: SinkOptions): this {
    this.#nodes.push({ kind: 'sink', name, ...options });
    return this;
  }

  /** What the processors of one task remember, changelogged. Processors that share a store share a task. */
  store(definition: StoreDefinition, options: StoreOptions): this {
    this.#stores.push({ ...definition, ...options });
    return this;
  }

  /** A read-only copy of a whole topic in every process, full before the first task runs. */
  globalStore(name: string, options: GlobalStoreOptions): this {
    this.#globalStores.push({ name, ...options });
    return this;
  }

  get globalStores(): readonly GlobalStoreNode[] {
    return this.#globalStores;
  }

  /**
   * The connected pieces, in the order of declaration.
   * @throws InvalidTopologyError naming every fault.
   */
  subTopologies(): readonly SubTopology[] {
    const declarations = {
      nodes: this.#nodes,
      stores: this.#stores,
      globalStores: this.#globalStores,
    };
    const faults = topologyFaults(declarations);
    if (faults.length > 0) {
      throw new InvalidTopologyError(`The topology is not sound. ${faults.join(' ')}`, { faults });
    }
    return splitIntoSubTopologies(declarations);
  }

  /** The graph as text, in the manner of Kafka Streams. */
  describe(): string {
    return describeTopology(this.subTopologies(), this.#globalStores);
  }

  /** The graph as a Mermaid flowchart. */
  toMermaid(): string {
    return topologyToMermaid(this.subTopologies(), this.#globalStores);
  }
}

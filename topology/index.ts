// The pipeline as a value. clustering-topology.ts is the product on one screen; topology.ts is the graph.

export type { ClusteringOptions } from './clustering-options.ts';
export { clusteringTopology } from './clustering-topology.ts';
export type {
  GlobalStoreNode,
  GlobalStoreOptions,
  ProcessorNode,
  ProcessorOptions,
  SinkNode,
  SinkOptions,
  SourceNode,
  SourceOptions,
  StoreNode,
  StoreOptions,
  SubTopology,
} from './nodes.ts';
export { Topology } from './topology.ts';

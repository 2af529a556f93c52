// The pipeline as a value. clustering-topology.ts is the product on one screen; topology.ts is the graph.

export type {
  GlobalStoreNode,
  ProcessorNode,
  SinkNode,
  SourceNode,
  StoreNode,
  SubTopology,
} from './topology.ts';

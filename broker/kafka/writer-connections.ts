// What writers need of a cluster: who coordinates, who leads, and requests to them. `Connections` does it over sockets; the
// simulation puts its model of Kafka in that place, so that the writer it sees fail is this one.

import type { Connections } from './connections.ts';
import type { KafkaNode } from './kafkajs-internals.ts';

export type RequestNode = Pick<KafkaNode, 'call' | 'callRaw'>;

type Looks = 'clock' | 'closed' | 'leaderOf' | 'forgetLeaders' | 'forgetCoordinator';

export interface WriterConnections extends Pick<Connections, Looks> {
  node(nodeId: number, lane: string): Promise<RequestNode>;
  controller(): Promise<RequestNode>;
  coordinator(kind: 'group' | 'transaction', key: string, lane: string): Promise<RequestNode>;
}

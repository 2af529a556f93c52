// Metadata without topics: who the nodes are, and nothing else. kafkajs can only ask for all topics or for named ones.
// Metadata 4: request topics allow_auto_topic_creation; response throttle brokers cluster controller topics.

import { WireReader, WireWriter } from './wire-buffer.ts';

export const noTopicsVersion = 4;

export function noTopicsBody(): Buffer {
  return new WireWriter().int32(0).int8(0).finish();
}

export interface Nodes {
  readonly brokers: readonly { nodeId: number; host: string; port: number }[];
  readonly controllerId: number;
}

export function decodeNodes(payload: Buffer): Nodes {
  const reader = new WireReader(payload);
  reader.int32();
  const brokers = reader.array(() => {
    const node = { nodeId: reader.int32(), host: reader.string() ?? '', port: reader.int32() };
    reader.string();
    return node;
  });
  reader.string();
  return { brokers, controllerId: reader.int32() };
}

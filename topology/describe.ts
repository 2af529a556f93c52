// A topology as people see it: text in the manner of Kafka Streams' TopologyDescription, and a Mermaid flowchart in
// which the topics join the pieces.

import type { GlobalStoreNode, SubTopology } from './nodes.ts';

export function describeTopology(
  pieces: readonly SubTopology[],
  globalStores: readonly GlobalStoreNode[],
): string {
  const lines = ['Topology:', ...pieces.flatMap(describePiece)];
  for (const { name, topic } of globalStores) {
    lines.push(`  Global store: ${name} (topic: ${topic})`);
  }
  return `${lines.join('\n')}\n`;
}

function describePiece(piece: SubTopology): string[] {
  const lines = [`  Sub-topology: ${piece.id}`];
  for (const { name, topic } of piece.sources) {
    lines.push(`    Source: ${name} (topic: ${topic})`, `      --> ${childrenOf(piece, name)}`);
  }
  for (const { name, from } of piece.processors) {
    const stores = piece.stores.filter((store) => store.usedBy.includes(name));
    const used = stores.map((store) => store.name).join(', ');
    lines.push(
      `    Processor: ${name} (stores: [${used}])`,
      `      --> ${childrenOf(piece, name)}`,
      `      <-- ${from.join(', ')}`,
    );
  }
  for (const { name, topic, from } of piece.sinks) {
    lines.push(`    Sink: ${name} (topic: ${topic})`, `      <-- ${from.join(', ')}`);
  }
  return lines;
}

function childrenOf({ processors, sinks }: SubTopology, parent: string): string {
  const children = [...processors, ...sinks].filter((node) => node.from.includes(parent));
  return children.map((node) => node.name).join(', ') || 'none';
}

export function topologyToMermaid(
  pieces: readonly SubTopology[],
  globalStores: readonly GlobalStoreNode[],
): string {
  const lines = ['flowchart LR'];
  for (const topic of topicsOf(pieces, globalStores)) {
    lines.push(`  ${id('topic', topic)}[["${topic}"]]`);
  }
  for (const piece of pieces) lines.push(...drawPiece(piece));
  for (const { name, topic } of globalStores) {
    lines.push(`  ${id('global', name)}[("${name}")]`);
    lines.push(`  ${id('topic', topic)} -. everywhere .-> ${id('global', name)}`);
  }
  return `${lines.join('\n')}\n`;
}

function topicsOf(
  pieces: readonly SubTopology[],
  globalStores: readonly GlobalStoreNode[],
): Set<string> {
  const ends = pieces.flatMap((piece) => [...piece.sources, ...piece.sinks]);
  return new Set([...ends, ...globalStores].map((end) => end.topic));
}

function drawPiece({ id: name, sources, processors, sinks, stores }: SubTopology): string[] {
  const topicOf = new Map(sources.map((source) => [source.name, source.topic]));
  const lines = [`  subgraph ${id('sub', name)} ["${name}"]`];
  for (const processor of processors) {
    lines.push(`    ${id('processor', processor.name)}["${processor.name}"]`);
  }
  for (const store of stores) lines.push(`    ${id('store', store.name)}[("${store.name}")]`);
  for (const store of stores) {
    for (const user of store.usedBy) {
      lines.push(`    ${id('processor', user)} <--> ${id('store', store.name)}`);
    }
  }
  lines.push('  end');
  for (const processor of processors) {
    for (const parent of processor.from) {
      const topic = topicOf.get(parent);
      const from = topic === undefined ? id('processor', parent) : id('topic', topic);
      lines.push(`  ${from} --> ${id('processor', processor.name)}`);
    }
  }
  for (const sink of sinks) {
    for (const parent of sink.from) {
      lines.push(`  ${id('processor', parent)} --> ${id('topic', sink.topic)}`);
    }
  }
  return lines;
}

/** Mermaid ids are words; names are shown in the labels. */
function id(kind: string, name: string): string {
  return `${kind}_${name.replaceAll(/\W/g, '_')}`;
}

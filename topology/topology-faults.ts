// Everything that can be wrong with a graph, as sentences with a remedy. All faults are found in one pass, so that
// nobody mends a topology one error at a time.

import type { Declarations, Node, ProcessorNode, SinkNode } from './nodes.ts';
import { parentsFirst, splitIntoSubTopologies } from './sub-topologies.ts';

export function topologyFaults(declarations: Declarations): string[] {
  const faults = [
    ...nameFaults(declarations),
    ...parentFaults(declarations),
    ...cycleFaults(declarations),
    ...unusedFaults(declarations),
    ...storeFaults(declarations),
    ...sourceTopicFaults(declarations),
  ];
  // Loops through a topic are looked for in the pieces, and only a sound graph can be split into pieces.
  return faults.length > 0 ? faults : loopFaults(declarations);
}

function nameFaults({ nodes, stores, globalStores }: Declarations): string[] {
  return [
    ...repeated(nodes.map((node) => node.name)).map(
      (name) => `The name "${name}" is used by two nodes; give one of them another name.`,
    ),
    ...repeated([...stores, ...globalStores].map((store) => store.name)).map(
      (name) => `The name "${name}" is used by two stores; give one of them another name.`,
    ),
  ];
}

function parentFaults({ nodes }: Declarations): string[] {
  const byName = new Map(nodes.map((node) => [node.name, node]));
  return nodes.filter(hasParents).flatMap((node) => {
    if (node.from.length === 0) return [`The ${node.kind} "${node.name}" has no parents.`];
    return node.from.flatMap((parent) => parentFault(node, parent, byName.get(parent)));
  });
}

function parentFault(node: ProcessorNode | SinkNode, name: string, parent?: Node): string[] {
  const where = `The ${node.kind} "${node.name}" is fed from "${name}"`;
  if (parent === undefined) return [`${where}, which is not declared.`];
  if (parent.kind === 'sink') return [`${where}, which is a sink; read its topic by a source.`];
  if (node.kind === 'sink' && parent.kind === 'source') {
    return [`${where}, which is a source; put a processor between them.`];
  }
  return [];
}

function cycleFaults({ nodes }: Declarations): string[] {
  const processors = nodes.filter((node) => node.kind === 'processor');
  const ordered = new Set(parentsFirst(processors));
  const stuck = processors.filter((processor) => !ordered.has(processor));
  if (stuck.length === 0) return [];
  const names = stuck.map((processor) => `"${processor.name}"`).join(', ');
  return [`A cycle runs through ${names}; feed back through a topic instead.`];
}

function unusedFaults({ nodes }: Declarations): string[] {
  const parents = new Set(nodes.filter(hasParents).flatMap((node) => node.from));
  const unread = nodes.filter((node) => node.kind === 'source' && !parents.has(node.name));
  const faults = unread.map((node) => `The source "${node.name}" feeds no processor.`);
  if (!nodes.some((node) => node.kind === 'source')) faults.push('The topology has no source.');
  return faults;
}

function storeFaults({ nodes, stores }: Declarations): string[] {
  const processors = new Set(nodes.filter((node) => node.kind === 'processor').map((n) => n.name));
  return stores.flatMap(({ name, usedBy }) => {
    if (usedBy.length === 0) return [`The store "${name}" is used by no processor.`];
    return usedBy
      .filter((user) => !processors.has(user))
      .map((user) => `The store "${name}" is used by "${user}", which is not a processor.`);
  });
}

function sourceTopicFaults({ nodes }: Declarations): string[] {
  const read = nodes.filter((node) => node.kind === 'source').map((node) => node.topic);
  return repeated(read).map(
    (topic) => `The topic "${topic}" is read by two sources; let its processors share one source.`,
  );
}

function loopFaults(declarations: Declarations): string[] {
  return splitIntoSubTopologies(declarations).flatMap(({ id, sources, sinks }) => {
    const read = new Set(sources.map((source) => source.topic));
    return sinks
      .filter((sink) => read.has(sink.topic))
      .map(
        (sink) =>
          `The sink "${sink.name}" writes to "${sink.topic}", which its own sub-topology "${id}" reads: ` +
          'it would feed itself for ever.',
      );
  });
}

function hasParents(node: Node): node is ProcessorNode | SinkNode {
  return node.kind !== 'source';
}

function repeated(names: readonly string[]): string[] {
  return [...new Set(names.filter((name, i) => names.indexOf(name) < i))];
}

// Splits a graph into its connected pieces and puts the processors of each in order, parents first.
// Nodes are connected by `from`, and processors by a store they share.

import type { Declarations, ProcessorNode, SinkNode, SourceNode, SubTopology } from './nodes.ts';

/** @returns the pieces in the order in which their first node was declared. The declarations must be sound. */
export function splitIntoSubTopologies(declarations: Declarations): SubTopology[] {
  const pieceOf = connect(declarations);
  const pieces = [...new Set(declarations.nodes.map((node) => pieceOf(node.name)))];
  return pieces.map((piece) => {
    const nodes = declarations.nodes.filter((node) => pieceOf(node.name) === piece);
    const processors = parentsFirst(nodes.filter((node) => node.kind === 'processor'));
    return {
      id: processors.at(-1)!.name,
      sources: nodes.filter((node): node is SourceNode => node.kind === 'source'),
      processors,
      sinks: nodes.filter((node): node is SinkNode => node.kind === 'sink'),
      stores: declarations.stores.filter((store) => pieceOf(store.usedBy[0]!) === piece),
      commitMsMin: Math.max(0, ...processors.map((processor) => processor.commitMsMin ?? 0)),
    };
  });
}

/** Kahn's algorithm; ties keep the order of declaration. A cycle leaves its processors out. */
export function parentsFirst(processors: readonly ProcessorNode[]): ProcessorNode[] {
  const ordered: ProcessorNode[] = [];
  const waiting = new Set(processors);
  const isWaiting = (name: string) => [...waiting].some((processor) => processor.name === name);
  for (;;) {
    const next = [...waiting].find((processor) => !processor.from.some(isWaiting));
    if (next === undefined) return ordered;
    ordered.push(next);
    waiting.delete(next);
  }
}

/** Union-find without ranks: graphs are drawn by hand and small. */
function connect({ nodes, stores }: Declarations): (name: string) => string {
  const parents = new Map(nodes.map((node) => [node.name, node.name]));
  const root = (name: string): string => {
    const parent = parents.get(name) ?? name;
    return parent === name ? name : root(parent);
  };
  const join = (a: string, b: string) => parents.set(root(a), root(b));
  for (const node of nodes) {
    if (node.kind !== 'source') for (const parent of node.from) join(node.name, parent);
  }
  for (const { usedBy } of stores) {
    for (const user of usedBy) join(user, usedBy[0]!);
  }
  return root;
}

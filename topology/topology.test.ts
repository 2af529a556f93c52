import { describe, expect, test } from 'vitest';
import { InvalidTopologyError } from '../support/index.ts';
import { Topology } from './topology.ts';

const create = () => ({ process: () => {} });
const store = (name: string) => ({ name, schemaVersion: 1 });

function threePieces(): Topology {
  return new Topology()
    .source('points', { topic: 'points' })
    .processor('decode', { from: ['points'], create })
    .processor('assign', { from: ['decode'], create })
    .sink('bad', { from: ['decode'], topic: 'dead-letters' })
    .sink('deltas-out', { from: ['assign'], topic: 'deltas' })
    .source('deltas', { topic: 'deltas' })
    .source('commands', { topic: 'commands' })
    .processor('fold', { from: ['deltas', 'commands'], create })
    .store(store('centroids'), { usedBy: ['fold'] })
    .sink('models', { from: ['fold'], topic: 'models' })
    .globalStore('registry', { topic: 'models', create: () => ({ name: 'r', apply: () => {} }) });
}

function faultsOf(topology: Topology): readonly string[] {
  try {
    topology.subTopologies();
  } catch (error) {
    if (error instanceof InvalidTopologyError) return error.fields.faults as string[];
    throw error;
  }
  return [];
}

describe('sub-topologies', () => {
  test('are the connected pieces, named after their last processor, in order of declaration', () => {
    const pieces = threePieces().subTopologies();
    expect(pieces.map((piece) => piece.id)).toEqual(['assign', 'fold']);
    const [assign, fold] = pieces;
    expect(assign!.sources.map((source) => source.topic)).toEqual(['points']);
    expect(assign!.processors.map((processor) => processor.name)).toEqual(['decode', 'assign']);
    expect(assign!.sinks.map((sink) => sink.name)).toEqual(['bad', 'deltas-out']);
    expect(fold!.sources.map((source) => source.name)).toEqual(['deltas', 'commands']);
    expect(fold!.stores.map((used) => used.name)).toEqual(['centroids']);
  });

  test('put parents before children whatever the order of declaration', () => {
    const [piece] = new Topology()
      .processor('last', { from: ['middle'], create })
      .processor('middle', { from: ['first'], create })
      .processor('first', { from: ['in'], create })
      .source('in', { topic: 'in' })
      .subTopologies();
    expect(piece!.processors.map((processor) => processor.name)).toEqual([
      'first',
      'middle',
      'last',
    ]);
    expect(piece!.id).toBe('last');
  });

  test('are joined by a store that two processors share', () => {
    const apart = new Topology()
      .source('a', { topic: 'a' })
      .source('b', { topic: 'b' })
      .processor('left', { from: ['a'], create })
      .processor('right', { from: ['b'], create });
    expect(apart.subTopologies()).toHaveLength(2);
    apart.store(store('shared'), { usedBy: ['left', 'right'] });
    expect(apart.subTopologies().map((piece) => piece.id)).toEqual(['right']);
  });
});

describe('an unsound topology is refused', () => {
  const base = () =>
    new Topology().source('in', { topic: 'in' }).processor('p', { from: ['in'], create });

  test.each<[string, Topology, RegExp]>([
    ['a name used twice', base().processor('p', { from: ['in'], create }), /"p" is used by two/],
    ['an unknown parent', base().sink('out', { from: ['q'], topic: 'o' }), /"q", which is not/],
    ['a node without parents', base().processor('q', { from: [], create }), /"q" has no parents/],
    [
      'a sink as a parent',
      base()
        .sink('o', { from: ['p'], topic: 'o' })
        .processor('q', { from: ['o'], create }),
      /which is a sink/,
    ],
    [
      'a source straight into a sink',
      base().sink('o', { from: ['in'], topic: 'o' }),
      /which is a source/,
    ],
    [
      'a cycle',
      base()
        .processor('q', { from: ['r', 'p'], create })
        .processor('r', { from: ['q'], create }),
      /cycle runs through "q", "r"/,
    ],
    ['a source that nobody reads', base().source('x', { topic: 'x' }), /"x" feeds no processor/],
    ['no source at all', new Topology(), /has no source/],
    ['a store that nobody uses', base().store(store('s'), { usedBy: [] }), /"s" is used by no/],
    [
      'a store used by something else',
      base().store(store('s'), { usedBy: ['in'] }),
      /not a processor/,
    ],
    [
      'a store declared twice',
      base()
        .store(store('s'), { usedBy: ['p'] })
        .store(store('s'), { usedBy: ['p'] }),
      /"s" is used by two stores/,
    ],
    [
      'a topic read twice',
      base()
        .source('again', { topic: 'in' })
        .processor('q', { from: ['again'], create }),
      /"in" is read by two sources/,
    ],
    ['a piece that feeds itself', base().sink('o', { from: ['p'], topic: 'in' }), /feed itself/],
  ])('for %s', (_, topology, fault) => {
    const faults = faultsOf(topology);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatch(fault);
  });

  test('with all its faults in one error', () => {
    const topology = base()
      .sink('o', { from: ['nobody'], topic: 'o' })
      .source('unread', { topic: 'u' })
      .store(store('idle'), { usedBy: [] });
    expect(faultsOf(topology)).toHaveLength(3);
    expect(() => topology.describe()).toThrow(InvalidTopologyError);
  });
});

test('a topology describes itself as text', () => {
  expect(threePieces().describe()).toBe(`Topology:
  Sub-topology: assign
    Source: points (topic: points)
      --> decode
    Processor: decode (stores: [])
      --> assign, bad
      <-- points
    Processor: assign (stores: [])
      --> deltas-out
      <-- decode
    Sink: bad (topic: dead-letters)
      <-- decode
    Sink: deltas-out (topic: deltas)
      <-- assign
  Sub-topology: fold
    Source: deltas (topic: deltas)
      --> fold
    Source: commands (topic: commands)
      --> fold
    Processor: fold (stores: [centroids])
      --> models
      <-- deltas, commands
    Sink: models (topic: models)
      <-- fold
  Global store: registry (topic: models)
`);
});

test('a topology draws itself in Mermaid, its pieces joined by topics', () => {
  const drawing = threePieces().toMermaid();
  expect(drawing).toContain('flowchart LR');
  expect(drawing).toContain('subgraph sub_assign ["assign"]');
  expect(drawing).toContain('processor_assign --> topic_deltas\n');
  expect(drawing).toContain('topic_deltas --> processor_fold\n');
  expect(drawing).toContain('processor_fold <--> store_centroids');
  expect(drawing).toContain('topic_models -. everywhere .-> global_registry');
  expect(drawing).toContain('topic_dead_letters[["dead-letters"]]');
});

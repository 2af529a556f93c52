// The product on one screen.
//
//   points ──► decode ──► assign ──► assignments, centroid-deltas, quality        one task per partition of points
//                └──────► dead-letters
//   centroid-deltas, model-commands ──► fold ──► models, cluster-events           one task per shard of centroids
//   quality ──► detect-drift ──► drift
//   assign ──► shadow-quality ──► judge-shadow ──► models, model-commands          while a version is beside the champion
//   drift, the clock ──► request-retrains ──► model-commands                     where a setting asks for retrains
//   assign ──► samples ──► compare-challengers ──► challengers                    where settings name challengers
//   models ──► every process, as a table: assign takes the newest version with its next transaction

import {
  AssignPoints,
  CompareChallengers,
  centroidsStore,
  challengersStore,
  DecodePoints,
  DetectDrift,
  driftStore,
  FoldCentroids,
  JudgeShadow,
  RequestRetrains,
  retrainTriggersStore,
} from '../processors/index.ts';
import { topics } from '../schemas/index.ts';
import { ModelRegistry } from '../state-stores/index.ts';
import { type ClusteringOptions, compileClusteringOptions } from './clustering-options.ts';
import { Topology } from './topology.ts';

/** Each model a fold commits is read by every process: ten a second keep it fresh. */
const modelMsMin = 100;

export function clusteringTopology(given: ClusteringOptions): Topology {
  const options = compileClusteringOptions(given);
  const topology = new Topology()
    .globalStore('models', { topic: topics.models, create: () => new ModelRegistry() })

    .source('points', { topic: topics.points })
    .processor('decode', { from: ['points'], create: () => new DecodePoints(options.decode) })
    .processor('assign', { from: ['decode'], create: () => new AssignPoints(options.assign) })
    .sink('dead-letters', { from: ['decode'], topic: topics.deadLetters })
    .sink('assignments', { from: ['assign'], topic: topics.assignments })
    .sink('centroid-deltas', { from: ['assign'], topic: topics.centroidDeltas })
    .sink('quality', { from: ['assign'], topic: topics.quality })

    .source('deltas', { topic: topics.centroidDeltas })
    .source('commands', { topic: topics.modelCommands })
    .processor('fold', {
      from: ['deltas', 'commands'],
      create: () => new FoldCentroids(options.fold),
      commitMsMin: modelMsMin,
    })
    .store(centroidsStore, { usedBy: ['fold'] })
    .sink('models', { from: ['fold'], topic: topics.models })
    .sink('cluster-events', { from: ['fold'], topic: topics.clusterEvents })

    .sink('shadow-quality', { from: ['assign'], topic: topics.shadowQuality })
    .source('shadow-summaries', { topic: topics.shadowQuality })
    .processor('judge-shadow', {
      from: ['shadow-summaries'],
      create: () => new JudgeShadow(options.shadow),
    })
    .sink('comparisons', { from: ['judge-shadow'], topic: topics.models })
    .sink('verdicts', { from: ['judge-shadow'], topic: topics.modelCommands })

    .source('summaries', { topic: topics.quality })
    .processor('detect-drift', {
      from: ['summaries'],
      create: () => new DetectDrift(options.drift),
      commitMsMin: modelMsMin,
    })
    .sink('drift', { from: ['detect-drift'], topic: topics.drift })
    .store(driftStore, { usedBy: ['detect-drift', 'judge-shadow'] });

  const { challengers } = options;
  if (challengers !== undefined) {
    topology
      .sink('samples', { from: ['assign'], topic: topics.samples })
      .source('sampled', { topic: topics.samples })
      .processor('compare-challengers', {
        from: ['sampled'],
        create: () => new CompareChallengers(challengers),
      })
      .store(challengersStore, { usedBy: ['compare-challengers'] })
      .sink('challengers', { from: ['compare-challengers'], topic: topics.challengers });
  }
  const { retrain } = options;
  if (retrain !== undefined) {
    topology
      .source('reports', { topic: topics.drift })
      .processor('request-retrains', {
        from: ['reports'],
        create: () => new RequestRetrains(retrain),
      })
      .store(retrainTriggersStore, { usedBy: ['request-retrains'] })
      .sink('model-commands', { from: ['request-retrains'], topic: topics.modelCommands });
  }
  return topology;
}

// The stores processors ask for by name. A version rises when the meaning of the stored bytes changes.

import type { StoreDefinition } from '../state-stores/index.ts';

/** Of `fold`: the online model, cluster by cluster, and samples before there is one. */
export const centroidsStore: StoreDefinition = { name: 'centroids', schemaVersion: 1 };

/** Of `detect-drift`: the open window and the reference. */
export const driftStore: StoreDefinition = { name: 'drift', schemaVersion: 1 };

/** Of `request-retrains`: what was asked for, and when. */
export const retrainTriggersStore: StoreDefinition = { name: 'retrain-triggers', schemaVersion: 1 };

/** Of `compare-challengers`: the models on trial, cluster by cluster, and their scores. */
export const challengersStore: StoreDefinition = { name: 'challengers', schemaVersion: 1 };

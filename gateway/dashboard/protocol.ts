// What the gateway sends over /v1/map/live. The layout of the binary frame is said in the gateway's map-frame.ts.

export interface MapCluster {
  readonly clusterId: string;
  readonly x: number;
  readonly y: number;
}

export interface MapText {
  readonly type: 'map';
  readonly modelVersion: string;
  readonly basisVersion: number;
  readonly explained: number;
  readonly dimensions: number;
  readonly points: number;
  readonly clusters: readonly MapCluster[];
}

export interface StatusCluster {
  readonly clusterId: string;
  readonly weight: number;
  readonly share: number;
  readonly radius: number;
}

export interface DriftReport {
  readonly timestampMs: number;
  readonly count: number;
  readonly psi: number | null;
  readonly pageHinkley: number;
  readonly pageHinkleyThreshold: number;
  readonly featureShift: number | null;
  readonly outlierRate: number;
  readonly stableSinceMs?: number;
  readonly stablePoints?: number;
  readonly level: 'none' | 'warning' | 'alarm';
  readonly detectors: readonly string[];
}

export interface ClusterEvent {
  readonly type: string;
  readonly clusterId: string;
  readonly modelVersion: string;
  readonly timestampMs: number;
}

export interface Retrain {
  readonly id: string;
  readonly state: 'requested' | 'running' | 'done' | 'failed' | 'skipped' | 'cancelled';
  readonly trigger: string;
  readonly startedAtMs: number | null;
  readonly endedAtMs: number | null;
  readonly progress: {
    readonly phase: string;
    readonly share: number | null;
    readonly text: string;
  } | null;
  readonly report: {
    readonly version: string;
    readonly parent: string;
    readonly points: number;
    readonly inertia: number;
    readonly parentInertia: number;
    readonly promoted: boolean;
  } | null;
  readonly error: { readonly detail: string } | null;
}

export interface Status {
  readonly type: 'status';
  readonly timeMs: number;
  readonly health: { readonly ready: boolean; readonly reasons: readonly string[] };
  readonly waiting: readonly string[];
  readonly model: {
    readonly version: string;
    readonly origin: string;
    readonly k: number;
    readonly dimensions: number;
  } | null;
  readonly modelAgeMs: number | null;
  readonly clusters: readonly StatusCluster[];
  readonly clusterCount: number;
  readonly throughput: {
    readonly pointsPerSecond: number;
    readonly history: readonly number[];
    readonly total: number;
  };
  readonly lag: {
    readonly records: number;
    readonly seconds: number | null;
    readonly logRecords: number;
    readonly partitions: readonly { readonly partition: number; readonly records: number }[];
  } | null;
  readonly drift: readonly DriftReport[];
  readonly events: readonly ClusterEvent[];
  readonly retrain: Retrain | null;
}

export const pointBytes = 8;
export const noCluster = 65_535;

/** A text frame and the points that belong to it. */
export interface MapFrame {
  readonly text: MapText;
  readonly points: DataView;
}

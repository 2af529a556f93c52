// How the map travels (WS /v1/map/live). Every tick sends one JSON text frame and one binary frame that belong together:
//
//   text    {"type":"map","modelVersion","basisVersion","explained","dimensions","points","clusters":[{"clusterId","x","y"},…]}
//   binary  8 bytes a point, little-endian:  int16 x · int16 y · uint16 cluster · uint8 outlier · uint8 age
//
// x and y are −32767…32767 for −1…1; cluster is the index in the text frame's `clusters`, 65535 for none of them;
// outlier is the outlier score · 255; age is 0 for the newest point and 255 for the oldest. A frame replaces the last.

export const pointBytes = 8;
export const noCluster = 65_535;

export interface MapCluster {
  readonly clusterId: string;
  readonly x: number;
  readonly y: number;
}

export interface MapText {
  readonly type: 'map';
  readonly modelVersion: string;
  /** Rises when another plane is shown. */
  readonly basisVersion: number;
  /** Share of the variance the plane shows. */
  readonly explained: number;
  readonly dimensions: number;
  readonly points: number;
  readonly clusters: readonly MapCluster[];
}

export function writePoint(
  view: DataView,
  at: number,
  x: number,
  y: number,
  cluster: number,
  outlierScore: number,
  age: number,
): void {
  view.setInt16(at, Math.round(x * 32_767), true);
  view.setInt16(at + 2, Math.round(y * 32_767), true);
  view.setUint16(at + 4, cluster, true);
  view.setUint8(at + 6, Math.round(outlierScore * 255));
  view.setUint8(at + 7, Math.round(age * 255));
}

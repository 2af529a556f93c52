// What a bench is: one question about speed, answered by rows. A file per bench; run.ts knows them all.

export interface BenchOptions {
  /** Sizes so small that a test can run it: the numbers mean nothing, the rows are complete. */
  readonly smoke: boolean;
  /** Records, points or rows per run; undefined: the bench's own size. */
  readonly n: number | undefined;
  /** Of benches that go on for a time, and points a second; undefined: the bench's own. */
  readonly minutes?: number | undefined;
  readonly rate?: number | undefined;
  /** Of benches with several cases: only the one of this name, or those with this in it; undefined: all. */
  readonly only?: string | undefined;
  /** What is being done, for whoever waits. */
  readonly say: (line: string) => void;
}

/** One measured case. A ratio above 1 always means that ours is better. */
export interface BenchRow {
  readonly case: string;
  readonly n: number;
  /** Features of a point; null where records are not points. */
  readonly d: number | null;
  /** Clusters. */
  readonly k: number | null;
  /** Who is measured beside us: its name and version, "none", or "missing: …". */
  readonly peer: string;
  readonly ours: number;
  readonly theirs: number | null;
  readonly unit: string;
  readonly ratio: number | null;
  readonly [more: string]: string | number | null;
}

export interface Bench {
  readonly name: string;
  /** One sentence. */
  readonly question: string;
  readonly run: (options: BenchOptions) => Promise<BenchRow[]>;
}

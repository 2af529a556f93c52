// Where points go: straight to a log, or to a gateway over HTTP. The sink remembers how far into its source it is.

import type { RecordColumns } from '../../schemas/index.ts';

export interface PointSink {
  /** The line of the source to go on at: 1, or what an earlier run came to. */
  readonly nextLine: number;
  /** Delivers the points and remembers `nextLine`. Resolves when the log has them; the records are not kept. */
  send(records: RecordColumns, nextLine: number): Promise<void>;
  close(): Promise<void>;
}

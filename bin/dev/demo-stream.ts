// The demo of `dev`: a real data set (NASA's Shuttle radiators, 49,097 rows of 9 sensors) streamed for ever at a steady
// rate. Exactly once: where it is stands in the log, in the same transaction as the points.

import type { Broker } from '../../broker/index.ts';
import { topics } from '../../schemas/index.ts';
import { openSource } from '../../sources/index.ts';
import type { CommandContext } from '../command-context.ts';
import { packageFile } from '../package-root.ts';
import { LogPointSink } from '../points/log-point-sink.ts';
import { Pace, pumpPoints } from '../points/pump-points.ts';

export const demoFile = () => packageFile('examples', 'data', 'shuttle.csv.gz');

/** The label: what an anomaly detector should find, not what it may look at. */
const labelColumn = 'anomaly';

export interface DemoOptions {
  readonly broker: Broker;
  /** Points a second. */
  readonly rate: number;
  readonly signal: AbortSignal;
}

/** Resolves when told to stop. */
export async function streamDemo(context: CommandContext, options: DemoOptions): Promise<void> {
  const { clock, settings } = context;
  const { broker, rate, signal } = options;
  const group = `${settings['application.id']}-demo`;
  const topic = topics.points;
  const sink = await LogPointSink.open({ broker, clock, topic, group, resume: true });
  const pace = new Pace(rate, clock, signal);
  try {
    let fromLine = sink.nextLine;
    while (!signal.aborted) {
      const source = await openSource(demoFile(), {
        clock,
        fromLine,
        chunkLinesMax: pace.chunkLines,
        ignoreColumns: [labelColumn],
      });
      await pumpPoints({ chunks: source.chunks(), sink, pace, signal });
      fromLine = 1;
    }
  } finally {
    await sink.close();
  }
}

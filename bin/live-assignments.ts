// A gateway's live assignments, as a caller sees them: one call per assignment, in the order of the frames.

import { Worker } from 'node:worker_threads';
import type { Assignment } from '../schemas/index.ts';
import { DependencyDownError } from '../support/index.ts';
import type { LiveMessage } from './live-assignments-worker.ts';

export interface LiveOptions {
  /** Of the gateway, such as http://127.0.0.1:8080. */
  readonly url: string;
  readonly cluster?: string | undefined;
  readonly signal: AbortSignal;
  /** @returns false to stop. */
  readonly onAssignment: (assignment: Assignment) => boolean;
  /** The gateway left out this many, because we were slow. */
  readonly onGap: (dropped: number) => void;
}

interface Frame {
  readonly type: string;
  readonly assignments?: readonly Assignment[];
  readonly dropped?: number;
}

/** Resolves when told to stop. @throws DependencyDownError when the gateway cannot be reached or goes away. */
export async function followLiveAssignments(options: LiveOptions): Promise<void> {
  const worker = new Worker(new URL('./live-assignments-worker.js', import.meta.url), {
    workerData: liveUrl(options),
    execArgv: ['--experimental-websocket', '--no-warnings'],
  });
  try {
    await new Promise<void>((resolve, reject) => {
      options.signal.addEventListener('abort', () => resolve(), { once: true });
      worker.on('error', reject);
      worker.on('message', (message: LiveMessage) => {
        if ('closed' in message) reject(unreachable(options.url, message.closed));
        else if (!takeFrame(JSON.parse(message.frame) as Frame, options)) resolve();
      });
    });
  } finally {
    await worker.terminate();
  }
}

function takeFrame(frame: Frame, { onAssignment, onGap }: LiveOptions): boolean {
  if (frame.type === 'gap') onGap(frame.dropped ?? 0);
  if (frame.type !== 'assignments') return true;
  return (frame.assignments ?? []).every(onAssignment);
}

function liveUrl({ url, cluster }: LiveOptions): string {
  const live = new URL('/v1/assignments/live', url);
  live.protocol = live.protocol === 'https:' ? 'wss:' : 'ws:';
  if (cluster !== undefined) live.searchParams.set('cluster', cluster);
  return live.href;
}

function unreachable(url: string, reason: string): DependencyDownError {
  return new DependencyDownError(
    `No live assignments from ${url} (${reason}); start \`meanstream dev\`, name another gateway with --url, or set bootstrap.servers to read from Kafka.`,
    { url },
  );
}

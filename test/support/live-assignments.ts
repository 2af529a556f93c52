// A WebSocket on /v1/assignments/live that keeps what it hears.
import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Assignment } from '../../schemas/index.ts';

export interface LiveAssignments {
  readonly received: readonly Assignment[];
  close(): void;
}

/** Resolves when the socket is open: what is assigned from then on is heard. */
export async function hearAssignments(url: string): Promise<LiveAssignments> {
  const received: Assignment[] = [];
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/assignments/live`);
  socket.on('message', (data) => {
    const frame = JSON.parse(String(data)) as { assignments?: Assignment[] };
    received.push(...(frame.assignments ?? []));
  });
  await once(socket, 'open');
  return { received, close: () => socket.close() };
}

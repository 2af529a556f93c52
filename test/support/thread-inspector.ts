// Ends one worker thread of a running process from the outside: through Node's inspector, which a process opens when it is
// started with `environmentToInspect`. The process has no switch for it and does not notice whose doing it was.
import { WebSocket } from 'ws';
import type { MeanstreamProcess } from './meanstream-process.ts';

export const environmentToInspect = { NODE_OPTIONS: '--inspect=127.0.0.1:0' };

interface FromInspector {
  readonly method?: string;
  readonly params?: { readonly sessionId: string; readonly workerInfo: { readonly title: string } };
}

/** Runs the expression in the worker that was started as the n-th of those that live, from 0. */
export async function runInThread(
  process: MeanstreamProcess,
  index: number,
  expression: string,
): Promise<void> {
  const [, url] = await process.waitFor(/Debugger listening on (ws:\S+)/);
  const socket = new WebSocket(url!);
  try {
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    const sessions = await threadsOf(socket);
    const evaluate = JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } });
    const params = { sessionId: sessions[index]!, message: evaluate };
    await send(socket, 3, 'NodeWorker.sendMessageToWorker', params);
  } finally {
    socket.close();
  }
}

/** The inspector tells of every thread before it answers. */
async function threadsOf(socket: WebSocket): Promise<string[]> {
  const sessions: string[] = [];
  const listen = (data: Buffer) => {
    const { method, params } = JSON.parse(data.toString()) as FromInspector;
    if (method === 'NodeWorker.attachedToWorker') sessions.push(params!.sessionId);
  };
  socket.on('message', listen);
  await send(socket, 2, 'NodeWorker.enable', { waitForDebuggerOnStart: false });
  socket.off('message', listen);
  return sessions;
}

function send(socket: WebSocket, id: number, method: string, params: object): Promise<void> {
  return new Promise((resolve, reject) => {
    const listen = (data: Buffer) => {
      const answer = JSON.parse(data.toString()) as { id?: number; error?: { message: string } };
      if (answer.id !== id) return;
      socket.off('message', listen);
      if (answer.error === undefined) resolve();
      else reject(new Error(`${method}: ${answer.error.message}`));
    };
    socket.on('message', listen);
    socket.once('close', () => reject(new Error(`${method}: the process has ended`)));
    socket.send(JSON.stringify({ id, method, params }));
  });
}

// Listens to a gateway's live assignments in a worker thread: Node 20 has its WebSocket client behind a flag, and a
// worker can be started with that flag without asking the user for it.

import { parentPort, workerData } from 'node:worker_threads';

export type LiveMessage = { readonly frame: string } | { readonly closed: string };

// lib "DOM" is not for a server; this is the part of the standard that is used here.
interface Socket {
  onmessage: (event: { readonly data: unknown }) => void;
  onclose: (event: { readonly code: number; readonly reason: string }) => void;
  onerror: () => void;
}
const { WebSocket } = globalThis as unknown as { WebSocket: new (url: string) => Socket };

const post = (message: LiveMessage) => parentPort?.postMessage(message);
const socket = new WebSocket(String(workerData));
socket.onmessage = ({ data }) => post({ frame: String(data) });
socket.onclose = ({ code, reason }) => post({ closed: `${code} ${reason}`.trim() });
socket.onerror = () => post({ closed: 'no connection' });

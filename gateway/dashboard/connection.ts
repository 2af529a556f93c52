// The one connection of the page. It comes back by itself, ever more slowly, and says when what is shown is old:
//
//   connecting ──► live ──(silent for 4 s)──► stale ──(a frame)──► live          any ──(closed)──► offline ──► connecting

import type { MapFrame, MapText, Status } from './protocol.ts';

export type ConnectionState = 'connecting' | 'live' | 'stale' | 'offline';

export interface ConnectionHandlers {
  readonly onState: (state: ConnectionState) => void;
  readonly onStatus: (status: Status) => void;
  readonly onMap: (frame: MapFrame) => void;
}

const staleMs = 4_000;
const retryMsMin = 500;
const retryMsMax = 8_000;

export function connect(path: string, handlers: ConnectionHandlers): void {
  let retryMs = retryMsMin;
  let text: MapText | undefined;
  let staleTimer = 0;

  const heard = () => {
    clearTimeout(staleTimer);
    staleTimer = setTimeout(() => handlers.onState('stale'), staleMs);
    handlers.onState('live');
  };

  const open = () => {
    handlers.onState('connecting');
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const socket = new WebSocket(`${scheme}://${location.host}${path}`);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      retryMs = retryMsMin;
    };
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      heard();
      if (typeof data !== 'string') {
        if (text !== undefined) handlers.onMap({ text, points: new DataView(data) });
        return;
      }
      const message = JSON.parse(data) as MapText | Status;
      if (message.type === 'map') text = message;
      else handlers.onStatus(message);
    };
    socket.onclose = () => {
      clearTimeout(staleTimer);
      handlers.onState('offline');
      setTimeout(open, retryMs);
      retryMs = Math.min(retryMsMax, retryMs * 2);
    };
  };
  open();
}

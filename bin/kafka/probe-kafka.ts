// Is there a Kafka that answers? One Metadata request by hand, so that nothing but a socket is needed to know.

import { createConnection } from 'node:net';

// size, api key 3 (Metadata), version 1, correlation id, client id "probe", no topics
const metadataRequest = Buffer.from('000000130003000100000001000570726f626500000000', 'hex');
const brokersCountAt = 8;

/** True when one of `host:port[,…]` answers and lists at least one living broker. */
export async function hasLiveBroker(bootstrapServers: string, waitMsMax: number): Promise<boolean> {
  const answers = bootstrapServers.split(',').map((server) => probe(server.trim(), waitMsMax));
  return (await Promise.all(answers)).includes(true);
}

function probe(server: string, waitMsMax: number): Promise<boolean> {
  const colon = server.lastIndexOf(':');
  const host = server.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  const port = Number(server.slice(colon + 1));
  if (colon < 0 || !(port > 0 && port < 65_536)) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = createConnection({ host, port });
    let received = Buffer.alloc(0);
    const done = (alive: boolean) => {
      socket.destroy();
      resolve(alive);
    };
    socket.setTimeout(waitMsMax, () => done(false));
    socket.once('error', () => done(false));
    socket.once('close', () => done(false));
    socket.once('connect', () => socket.write(metadataRequest));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < brokersCountAt + 4) return;
      done(received.readInt32BE(brokersCountAt) > 0);
    });
  });
}

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { AnswersBeside, answerMemory, largeBytesMin, type OnRead } from './answers-beside.ts';

/** As Kafka frames an answer. */
function framed(correlationId: number, body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeInt32BE(4 + body.length);
  head.writeInt32BE(correlationId, 4);
  return Buffer.concat([head, body]);
}

function recordingSocket(answers: AnswersBeside) {
  const data: Buffer[] = [];
  const faults: Error[] = [];
  let onread: OnRead | undefined;
  answers.socket((given) => {
    onread = given;
    return {
      emit: (_: string | symbol, answer: Buffer) => data.push(answer) > 0,
      destroy: (error?: Error) => {
        if (error !== undefined) faults.push(error);
      },
    } as never;
  });
  const read = (bytes: Buffer) => {
    for (let at = 0; at < bytes.length; ) {
      const into = onread!.buffer();
      const piece = bytes.subarray(at, at + into.length);
      piece.copy(into);
      onread!.callback(piece.length, into);
      at += piece.length;
    }
  };
  return { data, faults, read };
}

const bodyOfSize = (size: number, seed: number) =>
  Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 31 + seed) % 251));

it('gives every answer whole and in order, wherever the pieces are cut', () => {
  const size = fc.oneof(
    fc.nat(40),
    fc.constantFrom(largeBytesMin - 5, largeBytesMin - 4, largeBytesMin + 1, 700_000),
  );
  fc.assert(
    fc.property(
      fc.array(size, { minLength: 1, maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 300_000 }), { minLength: 1 }),
      (sizes, cuts) => {
        const answers = new AnswersBeside(answerMemory());
        const { data, faults, read } = recordingSocket(answers);
        const bodies = sizes.map((bytes, i) => bodyOfSize(bytes, i));
        const wire = Buffer.concat(bodies.map((body, i) => framed(i + 7, body)));
        let at = 0;
        for (let i = 0; at < wire.length; i++) {
          const end = at + cuts[i % cuts.length]!;
          read(wire.subarray(at, end));
          at = end;
        }
        expect(faults).toEqual([]);
        expect(data).toHaveLength(bodies.length);
        for (const [i, frame] of data.entries()) {
          expect(frame.readInt32BE(0)).toBe(frame.length - 4);
          expect(frame.readInt32BE(4)).toBe(i + 7);
          expect(answers.bodyOf(frame.subarray(8)).bytes.equals(bodies[i]!)).toBe(true);
        }
      },
    ),
    { numRuns: 60 },
  );
});

it('uses memory again once it was released, and never before', () => {
  const answers = new AnswersBeside(answerMemory());
  const { data, read } = recordingSocket(answers);
  const answerOf = (seed: number) => {
    read(framed(seed, bodyOfSize(200_000, seed)));
    return answers.bodyOf(data.at(-1)!.subarray(8));
  };
  const first = answerOf(1);
  const second = answerOf(2);
  expect(second.bytes.buffer).not.toBe(first.bytes.buffer);
  first.release();
  const third = answerOf(3);
  expect(third.bytes.buffer).toBe(first.bytes.buffer);
  expect(second.bytes.equals(bodyOfSize(200_000, 2))).toBe(true);
});

/** With a key that both know, TLS needs no certificates. */
const psk = Buffer.alloc(16, 7);
const sharedKey = { ciphers: 'PSK', maxVersion: 'TLSv1.2' as const };

it.each([
  {
    over: 'TCP',
    server: () => createServer(),
    open: (to: object) => connect(to as { port: number }),
  },
  {
    over: 'TLS',
    server: (): Server => createTlsServer({ ...sharedKey, pskCallback: () => psk }),
    open: (to: object): Socket =>
      connectTls({
        ...{ ...to, ...sharedKey, checkServerIdentity: () => undefined },
        pskCallback: () => ({ psk, identity: 'test' }),
      }),
  },
])('reads large and small answers in turns over $over', async ({ over, server, open }) => {
  const sizes = [3_000_000, 10, 200_000, 70_000, 0, 9_000_000, 66_000, 500];
  const bodies = sizes.map((bytes, i) => bodyOfSize(bytes, i));
  const listening = server().listen(0, '127.0.0.1');
  listening.on(over === 'TLS' ? 'secureConnection' : 'connection', (peer: Socket) => {
    for (const [i, body] of bodies.entries()) peer.write(framed(i, body));
  });
  await once(listening, 'listening');
  const { port } = listening.address() as AddressInfo;
  const answers = new AnswersBeside(answerMemory());
  const socket = answers.socket((onread) => open({ host: '127.0.0.1', port, onread }));
  const read: Buffer[] = [];
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('data', (frame: Buffer) => {
      expect(frame.readInt32BE(4)).toBe(read.length);
      const { bytes, release } = answers.bodyOf(frame.subarray(8));
      read.push(Buffer.from(bytes));
      release();
      if (read.length === bodies.length) resolve();
    });
  });
  for (const [i, body] of bodies.entries()) expect(read[i]!.equals(body)).toBe(true);
  socket.destroy();
  listening.close();
});

it('ends the connection to what is no Kafka', () => {
  const { data, faults, read } = recordingSocket(new AnswersBeside(answerMemory()));
  read(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'));
  expect(faults).toHaveLength(1);
  expect(data).toEqual([]);
});

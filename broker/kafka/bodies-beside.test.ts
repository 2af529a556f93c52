import { expect, it } from 'vitest';
import { BodiesBeside } from './bodies-beside.ts';

function recordingSocket() {
  const written: Buffer[] = [];
  const socket = {
    write: (bytes: Uint8Array | string) => {
      written.push(Buffer.from(bytes as Uint8Array));
      return true;
    },
    cork: () => {},
    uncork: () => {},
  };
  return { socket, bytes: () => Buffer.concat(written) };
}

/** As kafkajs frames a request: its length, a header, and last the body it was given. */
function framed(header: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(header.length + body.length);
  return Buffer.concat([length, Buffer.from(header), body]);
}

it('writes the body where its stand-in is, under the right length', () => {
  const bodies = new BodiesBeside();
  const { socket, bytes } = recordingSocket();
  bodies.attach(socket);
  const body = [Buffer.from('a body '), Buffer.alloc(0), Buffer.from('in parts')];
  socket.write(framed('header', bodies.standInFor(body)));
  expect(bytes()).toEqual(framed('header', Buffer.from('a body in parts')));
});

it('keeps apart the bodies of requests that overtake each other', () => {
  const bodies = new BodiesBeside();
  const { socket, bytes } = recordingSocket();
  bodies.attach(socket);
  const first = bodies.standInFor([Buffer.from('first')]);
  const second = bodies.standInFor([Buffer.from('second')]);
  socket.write(framed('h', second));
  socket.write(framed('h', first));
  const expected = ['second', 'first'].map((text) => framed('h', Buffer.from(text)));
  expect(bytes()).toEqual(Buffer.concat(expected));
});

it('leaves alone what has no stand-in, however short', () => {
  const bodies = new BodiesBeside();
  const { socket, bytes } = recordingSocket();
  bodies.attach(socket);
  bodies.standInFor([Buffer.from('waits')]);
  for (const text of ['', 'abc', 'a request of kafkajs']) socket.write(Buffer.from(text));
  expect(bytes().toString()).toBe('abca request of kafkajs');
});

it('does not send a request whose body was forgotten', () => {
  const bodies = new BodiesBeside();
  const { socket, bytes } = recordingSocket();
  bodies.attach(socket);
  const standIn = bodies.standInFor([Buffer.from('given up')]);
  bodies.forget(standIn);
  expect(() => socket.write(framed('h', standIn))).toThrow('given up');
  expect(bytes()).toHaveLength(0);
});

import { expect, test } from 'vitest';
import { ManualClock, Metrics } from '../../support/index.ts';
import { LiveClient } from './live-client.ts';

/** A socket whose buffer the test fills and drains. */
function setUp() {
  const clock = new ManualClock();
  const metrics = new Metrics();
  const sent: (string | Uint8Array)[] = [];
  const wire = { buffered: 0, ended: undefined as { code: number; reason: string } | undefined };
  const client = new LiveClient({
    socket: {
      send: (frame) => void sent.push(frame),
      bufferedBytes: () => wire.buffered,
      end: (code, reason) => {
        wire.ended = { code, reason };
      },
    },
    backpressureBytesMax: 1_000,
    slowClientMsMax: 10_000,
    clock,
    metrics,
  });
  return { clock, metrics, sent, wire, client };
}

test('up to the limit every frame is sent', () => {
  const { client, sent, wire } = setUp();
  for (const buffered of [0, 999, 1_000]) {
    wire.buffered = buffered;
    client.send(`${buffered}`, 1);
  }
  expect(sent).toEqual(['0', '999', '1000']);
});

test('above it frames are left out, and the gap is announced before the next one', () => {
  const { client, sent, wire } = setUp();
  wire.buffered = 1_001;
  client.send('lost', 3);
  client.send('lost too', 4);
  wire.buffered = 0;
  client.send('next', 1);
  expect(sent).toEqual(['{"type":"gap","dropped":7}', 'next']);
});

test('the gap is announced when the socket drains, even if nothing follows', async () => {
  const { client, metrics, sent, wire } = setUp();
  wire.buffered = 5_000;
  client.send('lost', 2);
  client.drained();
  expect(sent).toEqual([]);
  wire.buffered = 10;
  client.drained();
  client.drained();
  expect(sent).toEqual(['{"type":"gap","dropped":2}']);
  const { values } = await metrics.wsMessagesDropped.get();
  expect(values).toMatchObject([{ value: 2, labels: { reason: 'slow-client' } }]);
});

test('a client that stays behind is closed with a code, and hears nothing more', () => {
  const { client, clock, sent, wire } = setUp();
  wire.buffered = 5_000;
  client.send('lost', 1);
  clock.advance(9_999);
  client.send('lost', 1);
  expect(wire.ended).toBeUndefined();
  clock.advance(1);
  client.send('lost', 1);
  expect(wire.ended?.code).toBe(1013);
  wire.buffered = 0;
  client.send('too late', 1);
  expect(sent).toEqual([]);
});

test('what replaces itself is skipped without a gap', () => {
  const { client, sent, wire } = setUp();
  wire.buffered = 5_000;
  client.sendLatest(['picture 1']);
  wire.buffered = 0;
  client.sendLatest(['picture 2']);
  expect(sent).toEqual(['picture 2']);
});

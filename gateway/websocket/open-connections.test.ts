import { expect, test } from 'vitest';
import { defaultLimits } from '../limits.ts';
import { OpenConnections } from './open-connections.ts';

const limits = { ...defaultLimits, webSocketsMax: 5, webSocketsPerAddressMax: 2 };

function hasRoom(open: OpenConnections, address: string): boolean {
  try {
    open.checkRoom(address);
    return true;
  } catch {
    return false;
  }
}

test('an address has its share, and gets it back when a connection closes', () => {
  const open = new OpenConnections(limits);
  open.add('10.0.0.1');
  expect(hasRoom(open, '10.0.0.1')).toBe(true);
  open.add('10.0.0.1');
  expect(hasRoom(open, '10.0.0.1')).toBe(false);
  expect(hasRoom(open, '10.0.0.2')).toBe(true);
  open.remove('10.0.0.1');
  expect(hasRoom(open, '10.0.0.1')).toBe(true);
});

test.each([
  '127.0.0.1',
  '0000:0000:0000:0000:0000:0000:0000:0001',
  '0000:0000:0000:0000:0000:ffff:7f00:0001',
])('%s is this machine, and bounded by the total only', (address) => {
  const open = new OpenConnections(limits);
  for (let i = 0; i < 5; i += 1) {
    expect(hasRoom(open, address)).toBe(true);
    open.add(address);
  }
  expect(hasRoom(open, address)).toBe(false);
});

import { expect, test } from 'vitest';
import { Metrics } from '../support/index.ts';
import { startHealthServer } from './health-server.ts';

const fine = () => ({ ok: true, details: {} });

test('a probe answers 200 or 503, and tells why with ?verbose', async () => {
  const waiting = () => ({ ok: false, details: { state: 'restoring' } });
  const probes = { livez: fine, readyz: waiting, startupz: fine };
  const server = await startHealthServer({
    host: '127.0.0.1',
    port: 0,
    metrics: new Metrics(),
    probes,
  });
  try {
    const at = `http://127.0.0.1:${server.port}`;
    expect((await fetch(`${at}/livez`)).status).toBe(200);
    const ready = await fetch(`${at}/readyz?verbose`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toEqual({ ok: false, state: 'restoring' });
    expect(await (await fetch(`${at}/metrics`)).text()).toContain('meanstream_commits_total');
    expect((await fetch(`${at}/nothing`)).status).toBe(404);
  } finally {
    await server.close();
  }
});

test('a taken port is an error with its remedy, not a stack', async () => {
  const options = {
    host: '127.0.0.1',
    metrics: new Metrics(),
    probes: { livez: fine, readyz: fine, startupz: fine },
  };
  const first = await startHealthServer({ ...options, port: 0 });
  try {
    await expect(startHealthServer({ ...options, port: first.port })).rejects.toMatchObject({
      code: 'MEANSTREAM_PORT_TAKEN',
    });
  } finally {
    await first.close();
  }
});

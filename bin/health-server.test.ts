import { expect, test } from 'vitest';
import { Metrics } from '../support/index.ts';
import { requireFreePort } from './free-port.ts';
import { startHealthServer } from './health-server.ts';

const restoring = () => ({
  live: true,
  ready: false,
  started: true,
  reasons: ['task assign_0 is restoring'],
  detail: { state: 'RUNNING' },
});

test('a probe answers 200 or 503, and tells why with ?verbose', async () => {
  const server = await startHealthServer({
    host: '127.0.0.1',
    port: 0,
    metrics: new Metrics().registry,
    health: restoring,
  });
  try {
    const at = `http://127.0.0.1:${server.port}`;
    expect((await fetch(`${at}/livez`)).status).toBe(200);
    const ready = await fetch(`${at}/readyz?verbose`);
    expect(ready.status).toBe(503);
    expect(await ready.json()).toMatchObject({ ok: false, detail: { state: 'RUNNING' } });
    const short = await fetch(`${at}/readyz`);
    expect(await short.text()).toBe('not ok: task assign_0 is restoring\n');
    expect(await (await fetch(`${at}/metrics`)).text()).toContain('meanstream_commits_total');
    expect((await fetch(`${at}/nothing`)).status).toBe(404);
  } finally {
    await server.close();
  }
});

test('a taken port is an error with its remedy, not a stack', async () => {
  const options = { host: '127.0.0.1', metrics: new Metrics().registry, health: restoring };
  const taken = { code: 'MEANSTREAM_PORT_TAKEN' };
  const first = await startHealthServer({ ...options, port: 0 });
  try {
    await expect(startHealthServer({ ...options, port: first.port })).rejects.toMatchObject(taken);
    await expect(requireFreePort(options.host, first.port, '--port')).rejects.toMatchObject(taken);
  } finally {
    await first.close();
  }
  await requireFreePort(options.host, first.port, '--port');
});

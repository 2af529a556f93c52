// The page at /, live, in a real Chromium: what is drawn is asserted on, and a screenshot is kept in test-results/.
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chromiumMissing, openChromium } from './support/chromium.ts';
import { eventually, MeanstreamProcess, run } from './support/meanstream-process.ts';

const screenshots = new URL('../test-results/', import.meta.url).pathname;

describe.skipIf(chromiumMissing !== undefined)(
  `the live page in Chromium${chromiumMissing === undefined ? '' : ` (${chromiumMissing})`}`,
  () => {
    let dataDir: string;
    let dev: MeanstreamProcess;
    let browser: Browser;
    let page: Page;
    let readyMs: number;
    const faults: string[] = [];

    beforeAll(async () => {
      dataDir = await mkdtemp(join(tmpdir(), 'meanstream-page-'));
      const startedMs = Date.now();
      dev = new MeanstreamProcess([
        ...['dev', '--port', '0', '--data-dir', dataDir],
        ...['--set', 'challengers.list=k=6,half.life=2000 points'],
        ...['--set', 'challengers.sample.every=1', '--set', 'retrain.schedule=never'],
      ]);
      const url = (await dev.waitFor(/dashboard\s+(http\S+)/))[1]!;
      readyMs = Date.now() - startedMs;
      browser = await openChromium();
      page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
      page.on('pageerror', (error) => faults.push(error.message));
      page.on('console', (message) => {
        if (message.type() === 'error') faults.push(message.text());
      });
      await page.goto(url);
    });

    afterAll(async () => {
      await browser?.close();
      await dev?.end();
      await rm(dataDir, { recursive: true, force: true });
    });

    it('prints its address within 20 seconds', () => {
      expect(readyMs).toBeLessThan(20_000);
    });

    it('draws points of several clusters, and more of them as they come', async () => {
      const drawn = `Number(document.querySelector('canvas')?.dataset.points ?? 0)`;
      const points = async () => (await page.evaluate<number>(drawn)) > 500;
      await eventually('500 points drawn', points, 60_000);
      const clusters = await page.evaluate<string>(
        `document.querySelector('canvas').dataset.clusters`,
      );
      expect(clusters.split(' ').length).toBeGreaterThanOrEqual(3);
      const colours = await coloursDrawn(page);
      expect(colours).toBeGreaterThanOrEqual(4);
    });

    it('shows one row for each of the 8 clusters, the model version, throughput and lag', async () => {
      const rows = async () => (await page.locator('tr[data-cluster]').count()) >= 8;
      await eventually('8 clusters listed', rows);
      const text = await page.textContent('body');
      expect(text).toMatch(/1\.0\.\d+/);
      expect(text).toMatch(/points\/s/i);
      expect(text).toMatch(/lag/i);
      expect(text).toMatch(/drift/i);
      const stable = async () => page.textContent('#drift-stable');
      const isSaid = async () => /^Alike since .+ points\)$/.test((await stable()) ?? '');
      await eventually('since when the stream is alike', isSaid);
    });

    it('goes on live: the model version on the page moves', async () => {
      const version = async () => /1\.0\.(\d+)/.exec((await page.textContent('body')) ?? '')?.[1];
      const before = await version();
      await eventually('another version', async () => (await version()) !== before);
      await mkdir(screenshots, { recursive: true });
      await page.waitForTimeout(8_000);
      await page.screenshot({ path: join(screenshots, 'dashboard.png') });
    });

    it('draws the curve of every criterion when asked how many clusters there are', async () => {
      await page.click('#k-ask');
      await eventually(
        'six charts',
        async () => (await page.locator('#k-charts svg').count()) === 6,
      );
      expect(await page.textContent('#k-answer')).toMatch(/K = \d+.*confidence/);
      expect(await page.locator('#k-charts circle').count()).toBeGreaterThan(60);
      await page.screenshot({ path: join(screenshots, 'how-many-clusters.png') });
      await page.click('#k-close');
    });

    it('shows versions, a retrain as it goes on, and the comparison of challengers', async () => {
      const has = (selector: string, pattern: RegExp) => async () =>
        pattern.test((await page.textContent(selector)) ?? '');
      await page.click('#models-ask');
      await eventually('a champion', has('#versions', /champion/));
      await page.click('#retrain-ask');
      await eventually('a retrain of ours', has('#retrain-text', /Retrain \d+ \(hand\)/));
      await eventually('its end', has('#retrain-text', /\d+\.1\.0 from .* points/), 60_000);
      await eventually('its version', has('#versions', /1\.1\.0/));
      expect(await page.textContent('#last-retrain')).toMatch(/ago/);
      const rows = async () => (await page.locator('#challengers tr').count()) === 3;
      await eventually('the challengers', rows, 60_000);
      expect(await page.textContent('#challengers')).toMatch(/in use.*baseline.*k=6.*2000 points/);
      for (const theme of ['dark', 'light']) {
        await page.evaluate(`document.documentElement.dataset.theme = '${theme}'`);
        await page.screenshot({ path: join(screenshots, `models-${theme}.png`) });
      }
    }, 120_000);

    it('moves the champion by a click: back to what it replaced, and to the version of a row', async () => {
      const asked: string[] = [];
      page.on('dialog', (dialog) => {
        asked.push(dialog.message());
        void dialog.accept();
      });
      const champion = async () => {
        const answer = await fetch(new URL('/v1/aliases/champion', page.url()));
        return (await answer.json()) as { version: string; reason: string; number: number };
      };
      const shown = (version: RegExp) => async () => {
        const row = page.locator('#versions tr', {
          has: page.locator('.alias', { hasText: 'champion' }),
        });
        return (
          (await row.count()) === 1 && version.test((await row.getAttribute('data-version')) ?? '')
        );
      };
      const before = await champion();
      expect(before.version).toMatch(/^1\.1\./);
      await page.click('#rollback-ask');
      await eventually('the rollback on the page', shown(/^1\.2\.\d+$/));
      expect(await champion()).toMatchObject({ number: before.number + 1, reason: 'dashboard' });
      await page.click('#versions tr[data-version="1.1.0"] button');
      await eventually('the version of the row on the page', shown(/^1\.3\.\d+$/));
      const after = await champion();
      expect(after).toMatchObject({ number: before.number + 2, reason: 'dashboard' });
      expect(after.version).toMatch(/^1\.3\./);
      expect(asked).toEqual([
        'Go back to the model that the current one has replaced?',
        'Assign points with 1.1.0 from now on?',
      ]);
      await page.click('#models-close');
    }, 120_000);

    it('gives the command line the same recommendation, and a page that is never overwritten', async () => {
      const html = join(dataDir, 'k.html');
      const ask = [
        'k-recommend',
        '--url',
        new URL(page.url()).origin,
        '--k-max',
        '6',
        '--html',
        html,
      ];
      const { code, stdout, stderr } = await run(ask);
      expect([code, stderr]).toEqual([0, expect.stringMatching(/^scored K = 1 to 6/)]);
      expect(stdout).toMatch(/^(K = \d|No clusters).*confidence/);
      expect(await readFile(html, 'utf8')).toContain('<svg');
      expect((await run(ask)).code).toBe(5);
      const json = await run([...ask.slice(0, 5), '--json']);
      expect(JSON.parse(json.stdout).curve).toHaveLength(6);
    });

    it('raises no error and asks nobody outside', () => {
      expect(faults).toEqual([]);
    });
  },
);

/** Distinct saturated colours on the map: the background and the grid are grey. */
function coloursDrawn(page: Page): Promise<number> {
  return page.evaluate<number>(`(() => {
    const canvas = document.querySelector('canvas');
    const { width, height } = canvas;
    const copy = Object.assign(document.createElement('canvas'), { width, height });
    const context = copy.getContext('2d');
    context.drawImage(canvas, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    const seen = new Map();
    for (let i = 0; i < data.length; i += 4) {
      const [r, g, b] = [data[i], data[i + 1], data[i + 2]];
      if (Math.max(r, g, b) - Math.min(r, g, b) < 60) continue;
      const colour = ((r >> 5) << 10) | ((g >> 5) << 5) | (b >> 5);
      seen.set(colour, (seen.get(colour) ?? 0) + 1);
    }
    return [...seen.values()].filter((pixels) => pixels > 10).length;
  })()`);
}

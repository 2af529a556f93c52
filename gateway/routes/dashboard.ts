// GET / and what the page needs: files read once at start, served from memory under a policy that lets nothing in
// from elsewhere.

import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { GatewayResponse, Route } from '../http.ts';

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

const policy =
  "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";

export async function dashboardRoutes(dir: string): Promise<Route[]> {
  const names = (await readdir(dir)).filter((name) => extname(name) in contentTypes);
  return Promise.all(
    names.map(async (name) => {
      const body = await readFile(join(dir, name));
      return fileRoute(
        name === 'index.html' ? '/' : `/${name}`,
        contentTypes[extname(name)]!,
        body,
      );
    }),
  );
}

function fileRoute(path: string, contentType: string, body: Uint8Array): Route {
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 16)}"`;
  const headers = {
    'content-type': contentType,
    'content-security-policy': policy,
    'cache-control': 'no-cache',
    etag,
  };
  return {
    method: 'GET',
    path,
    handle: ({ ifNoneMatch }): GatewayResponse =>
      ifNoneMatch === etag ? { status: 304, headers, body: '' } : { status: 200, headers, body },
  };
}

// GET /livez, /readyz, /startupz: 200 or 503 in a word; with ?verbose everything known, as JSON.

import type { HealthReport } from '../health.ts';
import { type GatewayRequest, type GatewayResponse, json, type Route } from '../http.ts';

export function healthRoutes(health: () => HealthReport): Route[] {
  const probe = (path: string, isGood: (report: HealthReport) => boolean): Route => ({
    method: 'GET',
    path,
    handle: (request) => {
      const report = health();
      return probeResponse(request, report, isGood(report));
    },
  });
  return [
    probe('/livez', ({ live }) => live),
    probe('/readyz', ({ ready }) => ready),
    probe('/startupz', ({ started }) => started),
  ];
}

function probeResponse(
  request: GatewayRequest,
  report: HealthReport,
  isGood: boolean,
): GatewayResponse {
  const status = isGood ? 200 : 503;
  if (request.query.has('verbose')) return json({ ok: isGood, ...report }, status);
  const why = report.reasons.length > 0 ? `: ${report.reasons.join('; ')}` : '';
  return {
    status,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' },
    body: isGood ? 'ok\n' : `not ok${why}\n`,
  };
}

// GET /v1/challengers: the newest comparison, and how it came to that.

import type { ChallengerReport } from '../../schemas/index.ts';
import { json, type Route } from '../http.ts';
import type { RecentView } from '../views/recent-view.ts';

export function challengersRoute(challengers: RecentView<ChallengerReport>): Route {
  return {
    method: 'GET',
    path: '/v1/challengers',
    handle: () => {
      const history = challengers.messages().map((report) => ({
        timestampMs: report.timestampMs,
        points: report.points,
        recommended: report.recommended,
        contenders: report.contenders.map(({ name, meanSquaredDistance, confidence }) => {
          return { name, meanSquaredDistance, confidence };
        }),
      }));
      return json({ latest: challengers.latest() ?? null, history });
    },
  };
}

// The gateway: HTTP, WebSocket and the page. Answers come from views of topics, never from a processor; the one thing
// it writes is points. uWebSockets.js is imported here and nowhere else. Read server.ts first, then views/views.ts.

export type { HealthReport } from './health.ts';
export type { KRequest, RecommendK } from './k-recommendations.ts';
export { defaultLimits, type GatewayLimits } from './limits.ts';
export {
  Gateway,
  type GatewayAddress,
  type GatewayOptions,
  type GatewayPointSettings,
} from './server.ts';
export type { Status } from './views/status-view.ts';

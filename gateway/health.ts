// Alive, ready, started: what the process says of itself and what the gateway adds. Ready is false while a view still
// catches up, and without a model unless the process says that points may come in before there is one.

/** `live`: the loop runs. `ready`: send traffic. `started`: start-up is over. Reasons are sentences. */
export interface HealthReport {
  readonly live: boolean;
  readonly ready: boolean;
  readonly started: boolean;
  readonly reasons: readonly string[];
  readonly detail: Readonly<Record<string, unknown>>;
}

export interface GatewayState {
  readonly catchingUp: readonly string[];
  readonly hasModel: boolean;
  readonly readyWithoutModel: boolean;
  readonly stopping: boolean;
}

export function combinedHealth(ofProcess: HealthReport, state: GatewayState): HealthReport {
  const { catchingUp, hasModel, readyWithoutModel, stopping } = state;
  const reasons = [...ofProcess.reasons];
  if (stopping) reasons.push('the gateway is stopping');
  if (catchingUp.length > 0) reasons.push(`still reading ${catchingUp.join(', ')}`);
  if (!hasModel && !readyWithoutModel) reasons.push('there is no model yet');
  const isUp = catchingUp.length === 0 && !stopping;
  return {
    live: ofProcess.live,
    ready: ofProcess.ready && isUp && (hasModel || readyWithoutModel),
    started: ofProcess.started && catchingUp.length === 0,
    reasons: [...new Set(reasons)],
    detail: { ...ofProcess.detail, gateway: { catchingUp, hasModel } },
  };
}

// Recomputes model versions from the log and compares them bit for bit. It takes the steps of the owner again (processors/),
// reruns retrains (jobs/), and asks nothing of any state that was kept. Read verify.ts.

export { verifyVersions } from './verify.ts';
export type { Finding, VerifyOptions, VerifyProgress, VerifyReport } from './verify-report.ts';

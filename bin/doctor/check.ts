// One thing the doctor looks at: what was found and, when it is wrong, what to do about it.

export interface Finding {
  readonly ok: boolean;
  /** What was found, in a few words. */
  readonly found: string;
  /** What to do; only when it is not ok. */
  readonly remedy?: string;
}

export interface Check {
  readonly name: string;
  readonly look: () => Promise<Finding>;
}

export interface Diagnosis extends Finding {
  readonly check: string;
}

/** Runs checks in turn; one that throws has failed with the message as its finding. */
export async function diagnose(checks: readonly Check[]): Promise<Diagnosis[]> {
  const diagnoses: Diagnosis[] = [];
  for (const { name, look } of checks) {
    try {
      diagnoses.push({ check: name, ...(await look()) });
    } catch (error) {
      const found = error instanceof Error ? error.message : String(error);
      const remedy = 'This check itself failed; the message says where to look.';
      diagnoses.push({ check: name, ok: false, found, remedy });
    }
  }
  return diagnoses;
}

// Runs rows of the chaos table, each on a field of its own or several on one, and collects the verdicts.
import { Random } from '../../support/index.ts';
import { abortedTransactions } from './aborted-transactions.ts';
import { brokerBounce } from './broker-bounce.ts';
import type { Counts, FieldRow, OwnRow, Scale } from './chaos-row.ts';
import { deadLettersDown } from './dead-letters-down.ts';
import { diskFaults } from './disk-faults.ts';
import { falseClocks } from './false-clocks.ts';
import { Field, type FieldOptions, type Proof, type Say } from './field.ts';
import { killAtPoints } from './kill-at-points.ts';
import { networkFaults } from './network-faults.ts';
import { overload } from './overload.ts';
import { rebalances } from './rebalances.ts';
import { rollingUpgrade } from './rolling-upgrade.ts';
import { stateDamage } from './state-damage.ts';
import { zombies } from './zombies.ts';

export interface Verdict {
  readonly id: string;
  readonly fault: string;
  readonly seed: number;
  readonly counts: Counts;
  readonly findings: readonly string[];
  readonly skipped?: string;
  readonly proof?: Proof;
  readonly seconds: number;
}

export interface ChaosOptions extends Scale {
  readonly seed: number;
  readonly say: Say;
}

const onProxy: readonly FieldRow[] = [
  ...[killAtPoints, zombies, rebalances, rollingUpgrade, networkFaults, falseClocks, diskFaults],
];
const onNodes: readonly FieldRow[] = [brokerBounce, deadLettersDown];
const alone: readonly OwnRow[] = [stateDamage, abortedTransactions, overload];

export const rowIds = [...onProxy, ...onNodes, ...alone].map(({ id }) => id);

/**
 * The rows named, in the order of the table. A change's run puts those of one Kafka on one field, one after the other, and
 * proves them together; a night gives each its own.
 */
export async function runChaos(ids: readonly string[], options: ChaosOptions): Promise<Verdict[]> {
  const wanted = <Row extends { id: string }>(rows: readonly Row[]) =>
    rows.filter(({ id }) => ids.includes(id));
  const verdicts: Verdict[] = [];
  for (const rows of fieldsOf(wanted(onProxy), options)) {
    verdicts.push(...(await runOnField(rows, 'proxied', options)));
  }
  for (const rows of fieldsOf(wanted(onNodes), options)) {
    verdicts.push(...(await runOnField(rows, 'nodes', options)));
  }
  for (const row of wanted(alone)) verdicts.push(await runAlone(row, options));
  return verdicts;
}

function fieldsOf(rows: readonly FieldRow[], { nightly }: ChaosOptions): (readonly FieldRow[])[] {
  if (rows.length === 0) return [];
  return nightly ? rows.map((row) => [row]) : [rows];
}

async function runOnField(
  rows: readonly FieldRow[],
  kafka: FieldOptions['kafka'],
  { seed, say, ...scale }: ChaosOptions,
): Promise<Verdict[]> {
  const field = await Field.start({ kafka, seed, random: new Random(seed), say });
  const verdicts: Verdict[] = [];
  try {
    for (const row of rows) {
      say(`${row.id} ${row.fault}`);
      const startedMs = Date.now();
      const failed: string[] = [];
      const counts = await row.run(field, scale).catch((error: unknown) => {
        failed.push(`${row.id} did not come to its end: ${reasonOf(error)}`);
        return {};
      });
      const { id, fault } = row;
      verdicts.push({ id, fault, seed, counts, findings: failed, seconds: since(startedMs) });
      if (failed.length > 0) return verdicts;
    }
    const startedMs = Date.now();
    const proof = await field.prove();
    const last = verdicts.at(-1)!;
    return verdicts.map((verdict) => ({
      ...verdict,
      findings: proof.findings,
      proof,
      seconds: verdict.seconds + (verdict === last ? since(startedMs) : 0),
    }));
  } catch (error) {
    const finding = `it could not be proved: ${reasonOf(error)}`;
    return verdicts.map((verdict) => ({ ...verdict, findings: [...verdict.findings, finding] }));
  } finally {
    await field.close();
  }
}

async function runAlone(row: OwnRow, { seed, say, ...scale }: ChaosOptions): Promise<Verdict> {
  const { id, fault } = row;
  say(`${id} ${fault}`);
  const startedMs = Date.now();
  try {
    const outcome = await row.run({ ...scale, random: new Random(seed), say });
    return { id, fault, seed, ...outcome, seconds: since(startedMs) };
  } catch (error) {
    const findings = [`${id} did not come to its end: ${reasonOf(error)}`];
    return { id, fault, seed, counts: {}, findings, seconds: since(startedMs) };
  }
}

function since(startedMs: number): number {
  return Math.round((Date.now() - startedMs) / 1_000);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

// What every broker must do, whoever keeps the log. Each adapter's test calls this once; all cases share one broker,
// every case makes its own topics, groups and transactional ids, so they can run on a log that others use too.

import { afterAll, beforeAll, describe } from 'vitest';
import type { BrokerUnderTest, SharedBroker } from './contract-fixtures.ts';
import { durabilityCases } from './durability-contract.ts';
import { groupCases } from './group-contract.ts';
import { lifecycleCases } from './lifecycle-contract.ts';
import { readerCases } from './reader-contract.ts';
import { topicCases } from './topic-contract.ts';
import { transactionCases } from './transaction-contract.ts';
import { writerCases } from './writer-contract.ts';

export interface BrokerContract {
  readonly name: string;
  readonly create: () => Promise<BrokerUnderTest>;
  /** `true`, or the reason why the cases of that feature cannot run here. */
  readonly features: {
    /** `reopen` is given: what was acknowledged is there again. */
    readonly reopen: true | string;
  };
}

export function brokerContract({ name, create, features }: BrokerContract): void {
  describe(`broker contract: ${name}`, { timeout: 90_000 }, () => {
    let underTest: BrokerUnderTest;
    const shared: SharedBroker = () => underTest.broker;
    beforeAll(async () => {
      underTest = await create();
    });
    afterAll(() => underTest.close());

    describe('topics', () => topicCases(shared));
    describe('writers', () => writerCases(shared));
    describe('readers', () => readerCases(shared));
    describe('transactions', () => transactionCases(shared));
    describe('groups', () => groupCases(shared));
    describe('closing', () => lifecycleCases(create));
    if (features.reopen === true) describe('durability', () => durabilityCases(create));
    else describe.skip(`durability (skipped: ${features.reopen})`, () => durabilityCases(create));
  });
}

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { generationOf } from '../schemas/index.ts';
import { neededVersions, type VersionFacts, type VersionHolders } from './index.ts';

/** A life: generations, each by a retrain or a rollback to something before it, some with an epoch that was kept. */
const lives = fc
  .array(
    fc.record({
      rollbackTo: fc.option(fc.nat({ max: 30 }), { nil: undefined }),
      keptPatch: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((steps) => {
    const versions: VersionFacts[] = [];
    for (const [i, { rollbackTo, keptPatch }] of steps.entries()) {
      const former = rollbackTo === undefined ? undefined : versions[rollbackTo % versions.length];
      const parent = former?.version ?? versions.at(-1)?.version ?? null;
      const origin = former === undefined ? (i === 0 ? 'bootstrap' : 'retrain') : 'rollback';
      versions.push({ version: `1.${i}.0`, parent, origin });
      if (keptPatch === undefined) continue;
      versions.push({ version: `1.${i}.${keptPatch}`, parent: `1.${i}.0`, origin: 'online' });
    }
    return versions;
  });

const deployments = lives.chain((versions) => {
  const anyVersion = fc.constantFrom(...versions.map(({ version }) => version));
  const maybe = fc.option(anyVersion, { nil: null });
  return fc.record({
    holders: fc.record({
      current: anyVersion.map((version) => `${generationOf(version)}.20`),
      aliases: fc.record({ challenger: maybe, shadow: maybe }),
      replaced: maybe,
      versions: fc.constant(versions),
    }),
    unwanted: fc.subarray(versions.map(({ version }) => version)),
  });
});

/** What `verify` and a rollback would look up, told one step at a time, as often as anything is new. */
function lookedUp({ current, aliases, replaced, versions }: VersionHolders, stays: string[]) {
  const wanted = new Set([...stays, ...Object.values(aliases), replaced].filter(Boolean));
  for (const { version } of versions) {
    if (generationOf(version) === generationOf(current!)) wanted.add(version);
  }
  for (const version of wanted) {
    const birth = versions.find((each) => each.version === `${generationOf(version!)}.0`);
    if (birth === undefined) continue;
    wanted.add(birth.version);
    if (birth.origin === 'rollback') wanted.add(birth.parent);
  }
  return wanted;
}

it('never lets go what an alias, a rollback or the lineage of what stays needs, and all else', () => {
  fc.assert(
    fc.property(deployments, ({ holders, unwanted }) => {
      const needed = neededVersions(holders, new Set(unwanted));
      const stays = holders.versions
        .map(({ version }) => version)
        .filter((version) => !unwanted.includes(version) || needed.has(version));
      const wanted = lookedUp(holders, stays);
      const gone = unwanted.filter((version) => !needed.has(version));
      expect(gone.filter((version) => wanted.has(version))).toEqual([]);
      const untouched = holders.versions
        .map(({ version }) => version)
        .filter((version) => !unwanted.includes(version));
      const least = lookedUp(holders, untouched);
      expect([...needed.keys()].filter((version) => !least.has(version))).toEqual([]);
    }),
    { numRuns: 2_000 },
  );
});

it('says what holds a version', () => {
  const versions: VersionFacts[] = [
    { version: '1.0.0', parent: null, origin: 'bootstrap' },
    { version: '1.0.7', parent: '1.0.6', origin: 'online' },
    { version: '1.1.0', parent: '1.0.7', origin: 'retrain' },
    { version: '1.2.0', parent: '1.0.7', origin: 'rollback' },
    { version: '1.3.0', parent: '1.2.9', origin: 'retrain' },
  ];
  const holders = { current: '1.2.4', replaced: '1.1.8', aliases: { shadow: '1.3.0' }, versions };
  const all = new Set(versions.map(({ version }) => version));
  expect(Object.fromEntries(neededVersions(holders, all))).toEqual({
    '1.2.0': 'of the generation in use',
    '1.0.7': '1.2.0 took it up',
    '1.0.0': '1.0.7 began with it',
    '1.3.0': 'shadow points at it',
  });
});

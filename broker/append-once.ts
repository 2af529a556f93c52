import type { Append, AppendedAt, Broker } from './broker.ts';

/** Without a transaction, by a writer of its own, one after the other: for what is said now and then. @returns where each is */
export async function appendOnce(
  broker: Pick<Broker, 'openWriter'>,
  appends: readonly Append[],
): Promise<AppendedAt[]> {
  const writer = await broker.openWriter();
  try {
    const at: AppendedAt[] = [];
    for (const one of appends) at.push(...(await writer.append([one])));
    return at;
  } finally {
    await writer.close();
  }
}

// kcat, the librdkafka client that Debian packages: a second judge, and a producer that is neither ours nor Java's.
import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import type { JudgedRecord } from './java-console.ts';

export const kcatMissing =
  spawnSync('kcat', ['-V'], { stdio: 'ignore' }).status === 0
    ? undefined
    : 'no `kcat` on the PATH: apt-get install kcat';

/** As `kcat -P` sends its standard input: a record a line, with a key before the first colon when `-K:` is given. */
export async function writeWithKcat(
  bootstrapServers: string,
  topic: string,
  lines: readonly string[],
  flags: readonly string[] = [],
): Promise<void> {
  const writing = kcat(['-P', '-b', bootstrapServers, '-t', topic, ...flags]);
  writing.child.stdin!.end(`${lines.join('\n')}\n`);
  await writing;
}

const bytesMax = 256 * 1_048_576;
/** Between the parts of a record, and between records. */
const [partEnd, recordEnd] = ['\u001f', '\u001e'];

/** Everything committed in the topic up to its end. */
export async function readWithKcat(
  bootstrapServers: string,
  topic: string,
): Promise<JudgedRecord[]> {
  const format = `${['%p', '%o', '%h', '%k', '%s'].join(partEnd)}${recordEnd}`;
  const { stdout } = await kcat([
    ...['-C', '-b', bootstrapServers, '-t', topic, '-o', 'beginning', '-e', '-q'],
    ...['-X', 'isolation.level=read_committed', '-f', format],
  ]);
  const records = stdout.split(recordEnd).slice(0, -1);
  return records.map((record) => {
    const [partition, offset, headers, key, value] = record.split(partEnd);
    return {
      partition: Number(partition),
      offset: Number(offset),
      headers: headersIn(headers!),
      key: key!,
      value: value!,
    };
  });
}

function headersIn(text: string): JudgedRecord['headers'] {
  return text.split(/,(?=[^,=]+=)/).flatMap((header) => {
    const equals = header.indexOf('=');
    return equals < 0 ? [] : [{ key: header.slice(0, equals), value: header.slice(equals + 1) }];
  });
}

function kcat(args: readonly string[]) {
  return promisify(execFile)('kcat', args, { maxBuffer: bytesMax });
}

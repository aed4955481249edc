import { decodeEvent, encodeScalars, encodeSettings, encodeVersion } from '../../src/train/logs/event.js';
import { lengthUpTo, readEvents } from '../../src/train/logs/event-file.js';
import { framed } from '../../src/train/logs/records.js';
import { reportHtml } from '../../src/train/logs/report.js';
import { logOf } from '../../src/train/logs/rows.js';
import type { Format } from './format.js';
import { mutateMessage } from './mutate-proto.js';
import type { Random } from './random.js';
import { anInt, changedBytes } from './values.js';

const FILE = 'runs/a/events.out.tfevents.1';

/** TensorBoard event files: records with right checksums, mostly, and what they hold changed. */
export const events: Format = {
  name: 'events',
  share: 8,
  file: `in/${FILE}`,
  make(random, { events: seeds }) {
    const whole = random.pick(seeds);
    const records = [...whole];
    for (let left = 1 + random.below(3); left > 0; left--) {
      const at = random.below(records.length);
      const choice = random.below(10);
      if (choice === 0) records.splice(at, 1);
      else if (choice === 1) records.splice(random.below(records.length), 0, records[at]!);
      else if (choice === 2) records[at] = changedBytes(random, records[at]!);
      else records[at] = mutateMessage(random, random.pick(whole), 'Event', whole);
      if (records.length === 0) records.push(new Uint8Array(random.below(40)));
    }
    return new Map([[`in/${FILE}`, Buffer.concat(records.map((record) => frame(random, record)))]]);
  },
  async exercise(steps, choose) {
    const read = steps.try(() => readEvents(FILE));
    if (!read) return;
    for (const step of [0, 3, Number.MAX_SAFE_INTEGER]) steps.try(() => lengthUpTo(FILE, step));
    const log = logOf(read.events);
    reportHtml(log);
    // what is read is written as an event that reads the same
    for (const { wallTime, step, scalars, settings } of read.events) {
      const again = decodeEvent(encodeScalars(wallTime, step, scalars));
      const text = (of: typeof again) => JSON.stringify([of.step, [...of.scalars].map(shown)]);
      steps.same('a written event', text({ ...again, step, scalars }), text(again));
      if (!settings) continue;
      const back = decodeEvent(encodeSettings(wallTime, settings)).settings;
      steps.same(
        'written settings',
        JSON.stringify([...settings].map(shown)),
        JSON.stringify([...(back ?? [])].map(shown)),
      );
    }
    if (!choose.chance(0.1)) return;
    const layout = choose.pick(['long', 'wide']);
    const more = choose.chance(0.3) ? ['--names', 'run'] : [];
    const words = ['logs', 'to-parquet', 'runs', '-o', '../out/logs.parquet', '--layout', layout, ...more];
    if (choose.chance(0.3)) words.push('--tags', 'loss');
    if (choose.chance(0.3)) words.push('--index', 'step', '--categories');
    await steps.command(words);
  },
};

const shown = ([name, value]: readonly [string, unknown]) => [
  name,
  Object.is(value, -0) ? '-0' : String(value),
];

/** A record with its length and checksums; now and then with wrong ones. */
function frame(random: Random, data: Uint8Array): Uint8Array {
  const record = Buffer.from(framed(data));
  if (random.chance(0.9)) return record;
  if (random.chance(0.5)) return changedBytes(random, record);
  // a length with a checksum that fits it
  const lie = Buffer.alloc(8);
  lie.writeBigUInt64LE(BigInt.asUintN(64, anInt(random)));
  return Buffer.concat([framedLength(lie), record.subarray(12)]);
}

const framedLength = (length: Buffer): Uint8Array => {
  // the checksum of a record of these eight bytes is that of the length
  const inner = framed(length);
  return Buffer.concat([length, inner.subarray(inner.byteLength - 4)]);
};

/** Records of a run, always the same. */
export function eventSeeds(): readonly (readonly Uint8Array[])[] {
  const settings = new Map<string, string | number | boolean>([
    ['model', 'roberta'],
    ['lr', 0.002],
    ['rank', 8],
    ['bucket', true],
  ]);
  const rows = [1, 2, 3, 4].map((step) => {
    const scalars: [string, number][] = [
      ['train/loss', 1 / step],
      ['train/lr', 0.002],
      ['train/norm', Number.NaN],
    ];
    return encodeScalars(1000 + step, step, scalars);
  });
  const evaluation = encodeScalars(1005, 4, [
    ['eval/loss', 0.25],
    ['eval/accuracy', 0.5],
  ]);
  const whole = [encodeVersion(1000), encodeSettings(1000, settings), ...rows, evaluation];
  return [whole, whole.slice(0, 3)];
}

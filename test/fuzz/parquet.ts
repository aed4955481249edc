import { type ColumnSource, parquetWriteBuffer } from 'hyparquet-writer';
import type { Content } from './files.js';
import { isLink } from './files.js';
import type { Format } from './format.js';
import type { Random } from './random.js';
import { openAndFeed } from './texts.js';
import { folderOf, tokenizerOf } from './training.js';
import { changedBytes } from './values.js';

const DATA = 'd.parquet';

const SEEDS: readonly Uint8Array[] = [
  ['SNAPPY', 3],
  ['UNCOMPRESSED', 1000],
].map(([codec, rowGroupSize]) => {
  const rows = Array.from({ length: 9 }, (_, i) => i);
  const columnData: ColumnSource[] = [
    {
      name: 'text',
      type: 'STRING',
      data: rows.map((i) => ['a bad film', 'Good! \u00e9t\u00e9', 'it'][i % 3]),
    },
    { name: 'label', type: 'INT64', data: rows.map((i) => (i === 5 ? null : BigInt(i % 2))), nullable: true },
    { name: 'other', type: 'STRING', data: rows.map((i) => 'so '.repeat(i)) },
  ];
  const options = { columnData, codec: codec as 'SNAPPY', rowGroupSize: rowGroupSize as number };
  return new Uint8Array(parquetWriteBuffer(options));
});

/** Tables with columns that are compressed, in one row group and in several. */
export const parquet: Format = {
  name: 'parquet',
  share: 2,
  seconds: 6,
  // each file is decoded in a process of its own
  quick: 12,
  make(random, seeds) {
    const seed = random.pick(seeds.training.filter(({ name }) => name === 'classes'));
    const files = new Map<string, Content>(folderOf(seed, random));
    for (const [path, content] of tokenizerOf(seeds, random)) files.set(path, content);
    return files.set(`in/${DATA}`, changed(random, random.pick(SEEDS)));
  },
  async exercise(steps, choose, files) {
    const text = files.get('in/t/signature.json');
    if (text && !isLink(text)) await openAndFeed(steps, choose, DATA, Buffer.from(text).toString());
  },
};

function changed(random: Random, seed: Uint8Array): Uint8Array {
  if (random.chance(0.1)) return seed;
  if (random.chance(0.2)) return changedBytes(random, seed);
  const copy = Uint8Array.from(seed);
  const end = random.chance(0.6) ? Math.floor(copy.length / 2) : 0;
  for (let count = 1 + random.below(4); count > 0; count--) {
    const at = end + random.below(copy.length - end);
    copy[at] = random.pick([copy[at]! ^ (1 << random.below(8)), 0, 0x7f, 0xff]);
  }
  return copy;
}

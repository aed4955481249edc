/**
 * Trains on generated data larger than memory is wanted to be: `npm run large -- GIGABYTES [FOLDER]`. Prints how long each
 * part takes and the largest resident memory; the data is deleted at the end.
 */
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { openStream } from '../../src/train/data/stream/stream.js';
import { readSignature } from '../../src/train/read-signature.js';
import { cutOf } from '../../src/train/run-data.js';
import { StreamedBatches } from '../../src/train/streamed-batches.js';
import { textClassifier } from '../support/classifier.js';
import { generatedRecords } from '../support/generated-records.js';
import { READING } from '../support/reading.js';

const [gigabytes = '5', parent = tmpdir()] = process.argv.slice(2);
const SHARDS = 8;
const BATCH = 64;
const WINDOW = 10_000;

const folder = mkdtempSync(join(parent, 'lotrc-streaming-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

let most = 0;
const see = () => {
  most = Math.max(most, process.memoryUsage.rss());
};

async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  most = 0;
  see();
  const start = performance.now();
  const made = await work();
  const seconds = (performance.now() - start) / 1000;
  console.log(`${what.padEnd(34)} ${seconds.toFixed(1).padStart(8)} s  ${Math.round(most / 2 ** 20)} MiB`);
  return made;
}

const net = await textClassifier(join(folder, 'net'));
const bytes = (Number(gigabytes) * 2 ** 30) / SHARDS;
await timed(`${gigabytes} GiB of records in ${SHARDS} files`, async () => {
  for (let shard = 0; shard < SHARDS; shard++) {
    const out = createWriteStream(join(folder, `part-${shard}.jsonl`));
    for (const text of generatedRecords(bytes, shard)) {
      if (!out.write(text)) await new Promise<void>((resume) => out.once('drain', resume));
      see();
    }
    await finished(out.end());
  }
});
const signature = readSignature(net.train);
const stream = await timed('read once, to count and to check', () =>
  openStream({
    given: join(folder, 'part-*.jsonl'),
    signature,
    options: { ...READING, tokenizer: net.tokenizer },
    inputs: new Map(),
    window: WINDOW,
    known: null,
    cutFor: (columns) => cutOf(signature, { columns }, BATCH, new Map(), false),
    watch: see,
  }),
);
const source = new StreamedBatches(stream, 0);
console.log(`${source.examples} examples, ${stream.index.windows.length} windows of ${WINDOW}`);
await timed('a pass in batches', async () => {
  let seen = 0;
  for (let at = 0; at < source.batches; at++) {
    for (const { rows } of await source.take(0, at, 1)) seen += rows.length;
    see();
  }
  if (seen !== source.examples) throw new Error(`${seen} examples of ${source.examples}`);
});
await timed('its last batch alone', () => source.take(1, source.batches - 1, 1));
await source.close();

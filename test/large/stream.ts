/**
 * Reads generated data larger than memory is wanted to be, and trains on it with `lotrc train --streaming`: `npm run large -- GIGABYTES [FOLDER]
 * [STEPS]`. Prints how long each part takes and the largest resident memory, and checks that a run that is stopped and resumed ends in
 * the bits of a whole one; the data is deleted at the end.
 */
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { readPosition } from '../../src/train/checkpoint.js';
import { openStream } from '../../src/train/data/stream/stream.js';
import { readSignature } from '../../src/train/read-signature.js';
import { cutOf } from '../../src/train/run-data.js';
import { StreamedBatches } from '../../src/train/streamed-batches.js';
import { textClassifier } from '../support/classifier.js';
import { generatedRecords } from '../support/generated-records.js';
import { READING } from '../support/reading.js';
import { watched } from './command.js';

const [gigabytes = '5', parent = tmpdir(), steps = '4000'] = process.argv.slice(2);
const SHARDS = 8;
const BATCH = 64;
const WINDOW = 10_000;

const folder = mkdtempSync(join(parent, 'lotrc-streaming-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

let most = 0;
const see = () => {
  most = Math.max(most, process.memoryUsage.rss());
};

/** `work` may tell of memory that other processes take. */
async function timed<T>(what: string, work: (took: (bytes: number) => void) => Promise<T>): Promise<T> {
  most = 0;
  see();
  const start = performance.now();
  const made = await work((bytes) => {
    most = bytes;
  });
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

const TRAINED_BATCH = 256;
const train = (output: string): readonly string[] => [
  ...[
    'train',
    net.train,
    '--streaming',
    '--data',
    join(folder, 'part-*.jsonl'),
    '--tokenizer',
    net.tokenizer,
  ],
  ...['--shuffle-window', `${WINDOW}`, '--batch-size', `${TRAINED_BATCH}`, '--max-steps', steps],
  ...['--checkpoint-every', '50', '-o', output],
];

/** Ends with one of the codes. */
async function trained(
  what: string,
  words: readonly string[],
  codes: readonly number[],
  ends?: () => boolean,
): Promise<void> {
  await timed(what, async (took) => {
    const { code, said, most: bytes } = await watched(words, ends);
    if (code === null || !codes.includes(code)) throw new Error(`lotrc ${words.join(' ')}: ${code}\n${said}`);
    took(bytes);
  });
}

const [whole, parts] = [join(folder, 'whole'), join(folder, 'parts')];
await trained('lotrc train, all its processes', train(whole), [0]);
const { step: total } = readPosition(whole)!;
const half = () => (readPosition(parts)?.step ?? 0) >= total / 2;
await trained('the same, stopped after half of it', train(parts), [130], half);
console.log(`stopped after step ${readPosition(parts)!.step} of ${total}`);
await trained('resumed', ['train', net.train, '--resume', '-o', parts], [0]);
for (const name of ['adapter.safetensors', 'checkpoint.safetensors'])
  if (!readFileSync(join(parts, name)).equals(readFileSync(join(whole, name))))
    throw new Error(`${name} of the run that was resumed has other bits`);
console.log('the run that was resumed has the bits of the whole one');

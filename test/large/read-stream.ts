/**
 * Reads data window by window in a process of its own, a pass in batches: `node read-stream.js DIRECTORY TOKENIZER DATA WINDOW`, with the directory
 * of training graphs. Prints as JSON how many examples there are and were seen, and by how much resident memory grew.
 */
import { openStream } from '../../src/train/data/stream/stream.js';
import { readSignature } from '../../src/train/read-signature.js';
import { cutOf } from '../../src/train/run-data.js';
import { StreamedBatches } from '../../src/train/streamed-batches.js';
import { READING } from '../support/reading.js';

const [directory, tokenizer, given, window] = process.argv.slice(2) as [string, string, string, string];

const before = process.memoryUsage.rss();
let most = 0;
const watch = () => {
  most = Math.max(most, process.memoryUsage.rss() - before);
};
const signature = readSignature(directory);
const stream = await openStream({
  ...{ given, signature, window: Number(window), watch, inputs: new Map(), known: null },
  options: { ...READING, tokenizer, maxLength: 1024 },
  cutFor: (columns) => cutOf(signature, { columns }, 64, new Map(), false),
});
const source = new StreamedBatches(stream, 3);
let seen = 0;
for (let start = 0; start < source.batches; start++) {
  for (const { data, rows } of await source.take(0, start, 1)) seen += data.batch(rows).examples;
  watch();
}
await source.close();
console.log(JSON.stringify({ examples: source.examples, seen, most }));

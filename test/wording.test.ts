import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');

/** Expressions that readers stumble over, and plain words to use instead. They must fit on one line of the text. */
const IDIOMS: readonly (readonly [RegExp, string])[] = [
  [/\banew\b/, 'again'],
  [/\bcomes? by\b/, 'execute, reach'],
  [/\bthe affair of\b|\bown affair\b/, 'decides, chooses'],
  [/(?<!\b[Tt]here\s)\b(?:is|was|are|were) no (?!longer\b|more\b|other\b)\w+/, 'is not a'],
  [/\bbeside (?:the|an?|its?|them|this|that|which|each|other|what)\b/, 'next to, in the folder of, with'],
  [/\bnobody (?:reads|needs|names|asks)\b/, 'nothing reads'],
  [/\bcounts? nothing\b|\bcounts? for nothing\b/, 'is ignored'],
  [/\bby hand of\b/, 'with'],
  [
    /\b(?:when|once|until|as) (?:it is |they are |first )?asked for\b/,
    'on demand, when first used, as requested',
  ],
  [/\b[Ss]o many (?:bytes|tokens|elements|rows|columns|parts|tiles|numbers|steps)\b/, 'the number of'],
  [/\bas (?:it|they) (?:stands?|stood)\b/, 'as it is'],
  [/\bstands (?:in|at|behind|before|after|between|beside|alone|on|among|for nothing)\b/, 'is'],
];

const ALL = new RegExp(IDIOMS.map(([idiom]) => `(?:${idiom.source})`).join('|'), 'g');

/** Sources (comments, messages, help, names of tests) and documents, without data and what is generated. */
function* texts(): IterableIterator<readonly [name: string, text: string]> {
  for (const top of ['src', 'cli', 'bench', 'test', 'docs', 'golden', '.']) {
    for (const file of readdirSync(join(ROOT, top), { recursive: top !== '.', encoding: 'utf8' })) {
      if (!/\.(?:ts|mjs|md)$/.test(file) || /^(?:data|node_modules)\b|\bgenerated\b/.test(file)) continue;
      const name = join(top, file);
      if (name !== join('test', 'wording.test.ts')) yield [name, readFileSync(join(ROOT, name), 'utf8')];
    }
  }
}

test('sources, help and documents are in plain words', () => {
  const found: string[] = [];
  for (const [name, text] of texts()) {
    for (const { 0: words, index } of text.matchAll(ALL)) {
      const [, instead] = IDIOMS.find(([idiom]) => new RegExp(`^(?:${idiom.source})`).test(words))!;
      const line = text.slice(0, index).split('\n').length;
      found.push(`${name}:${line}: "${words}"; write for example: ${instead}`);
    }
  }
  expect(found, 'expressions that plain technical English does not have').toEqual([]);
});

test('no text holds both sides of a merge', () => {
  const marked = [...texts()].filter(([, text]) => /^(?:<{7}|>{7}) /m.test(text)).map(([name]) => name);
  expect(marked).toEqual([]);
});

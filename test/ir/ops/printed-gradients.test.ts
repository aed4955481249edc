import { readFileSync } from 'node:fs';
import { test } from 'vitest';
import { allOpDefs } from '../../../src/ir/ops/index.js';
import { expectFile } from '../../support/expected.js';

const PAGE = 'docs/models.md';
const WIDTH = 120;

/** Words put into lines. */
function wrapped(text: string): string {
  return text.split(' ').reduce((lines, word) => {
    const last = lines.slice(lines.lastIndexOf('\n') + 1);
    return lines === '' ? word : `${lines}${last.length + 1 + word.length > WIDTH ? '\n' : ' '}${word}`;
  }, '');
}

test('docs/models.md lists the ops that have a gradient', () => {
  // an adapted layer is not an operator of a user's model
  const defs = allOpDefs().filter(({ domain, vjp }) => vjp && domain !== 'lotrc');
  const names = (of: 'com.microsoft' | undefined) =>
    [...new Set(defs.filter(({ domain }) => domain === of).map(({ name }) => name.split('::').at(-1)!))]
      .sort()
      .join(', ');
  const list = wrapped(`${names(undefined)}; of com.microsoft: ${names('com.microsoft')}.`);
  const page = readFileSync(PAGE, 'utf8').replace(
    /(<!-- gradients -->\n)[\s\S]*(<!-- end -->)/,
    (_, before, after) => `${before}${list}\n${after}`,
  );
  expectFile(PAGE, page);
});

import { expect, test } from 'vitest';
import {
  literal,
  quotedText,
  type TableValue,
  template,
} from '../../../src/backends/host/webgpu/module/literal.js';
import { comment } from '../../../src/backends/host/webgpu/module/structures.js';

const evaluated = (text: string): unknown => new Function(`return ${text};`)();

test('values come back as they were, on lines of at most 110 characters where a line can break', () => {
  const word = (length: number) => 'w'.repeat(length);
  const values: readonly TableValue[] = [
    0,
    -1.5,
    true,
    null,
    [],
    {},
    `it's "a" \\ \n \u2028 \${x} \``,
    { plain: 1, 'with-dash': [1, { deep: 'x' }], '0a': '', "it's": null },
    ...[1, 20, 40, 60].map((length) => ({ [word(length)]: [{ buffer: word(30), offset: 1 }, word(25)] })),
    [[word(60), word(60)], [{ a: word(50), b: [word(50), word(50), word(50)] }]],
  ];
  for (const value of values) {
    for (const [indent, before] of [
      [0, 0],
      [2, 40],
    ] as const) {
      const text = literal(value, indent, before);
      expect(evaluated(text)).toEqual(value);
      const [first, ...rest] = text.split('\n');
      const longest = Math.max(indent + before + first!.length, ...rest.map(({ length }) => length));
      expect(longest, text).toBeLessThan(110);
    }
  }
  expect(literal({ a: 'x', list: [1, 2] })).toBe("{ a: 'x', list: [1, 2] }");
});

test('strings and templates hold any text', () => {
  for (const text of [
    '',
    "it's",
    '"',
    '\\',
    `\`\${x}\``,
    '\\`',
    'a\nb',
    '\\n',
    '</script>',
    '$',
    '${',
    '*/',
  ]) {
    expect(evaluated(quotedText(text))).toBe(text);
    expect(evaluated(template(text))).toBe(text);
  }
});

test('comments end where they should, and fit on a line', () => {
  for (let length = 90; length < 240; length++) {
    const text = Array.from({ length }, (_, at) => (at % 9 === 8 ? ' ' : 'c')).join('');
    const lines = comment(text, 2).split('\n');
    expect(Math.max(...lines.map((line) => 2 + line.length)), text).toBeLessThanOrEqual(110);
    expect(lines.join('').replace(/[/* ]/g, '')).toBe(text.replaceAll(' ', ''));
  }
  expect(comment('short', 2)).toBe('/** short */');
  expect(comment('two\nlines', 2)).toBe('/**\n * two\n * lines\n */');
  expect(comment('ends */ here', 2)).toBe('/** ends * / here */');
});

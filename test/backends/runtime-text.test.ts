import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runtimeModules } from '../../cli/dev/gen-runtimes.js';
import { runtimeText } from '../../src/backends/runtime-text.js';

const ROOT = join(import.meta.dirname, '../..');

test('the embedded texts are those of the runtime sources: npm run gen', () => {
  const modules = Object.entries(runtimeModules(ROOT));
  expect(modules.length).toBeGreaterThan(3);
  for (const [path, text] of modules) expect(readFileSync(join(ROOT, path), 'utf8'), path).toBe(text);
});

describe('runtimeText', () => {
  const C = [
    'a',
    '#if EMIT_MANY',
    'many',
    '#else',
    'one',
    '#endif',
    '#ifdef OTHER',
    'b',
    '#else',
    'c',
    '#endif // OTHER',
  ];
  const other = ['#ifdef OTHER', 'b', '#else', 'c', '#endif // OTHER'];

  test('keeps the lines of the properties that hold, and other conditions as they are', () => {
    expect(runtimeText(C.join('\n'), { many: true }).split('\n')).toEqual(['a', 'many', ...other]);
    expect(runtimeText(C.join('\n'), { many: false }).split('\n')).toEqual(['a', 'one', ...other]);
  });

  test('drops all within a condition that does not hold, conditions and places too', () => {
    const source = ['#if !EMIT_MANY', '#ifdef OTHER', 'x', '#endif', '#insert rows', '#endif', 'y'].join(
      '\n',
    );
    expect(runtimeText(source, { many: true })).toBe('y');
    expect(runtimeText(source, { many: false }, { rows: ['r'] })).toBe('#ifdef OTHER\nx\n#endif\nr\ny');
  });

  test('takes instructions from comments, and the other alternative too', () => {
    const python = [
      'if a:',
      '    # #if EMIT_FAST',
      '    x = 1',
      '    # #else',
      '    #-     x = 2',
      '    # #endif',
    ];
    expect(runtimeText(python.join('\n'), { fast: true })).toBe('if a:\n    x = 1');
    expect(runtimeText(python.join('\n'), { fast: false })).toBe('if a:\n    x = 2');
    const script = ['// #if EMIT_FAST', 'const x = 1;', '// #else', '//- const x = 2;', '// #endif'];
    expect(runtimeText(script.join('\n'), { fast: false })).toBe('const x = 2;');
  });

  test('inserts lines, in a comment of C each after its star', () => {
    expect(runtimeText(' * #insert rows\n// #insert more', {}, { rows: ['a', 'b'], more: [] })).toBe(
      ' * a\n * b',
    );
  });

  test.each([
    ['#if EMIT_WRONG\n#endif', {}, 'unknown property WRONG'],
    ['#insert rows', {}, 'nothing is inserted for rows'],
    ['a', { rows: [] }, 'no place for rows'],
    ['#endif', {}, 'an #endif too many'],
    ['#ifdef A', {}, 'ends within a condition'],
  ])('refuses %j', (source, inserted, why) => {
    expect(() => runtimeText(source, { many: true }, inserted)).toThrow(why);
  });
});

import { describe, expect, test } from 'vitest';
import { type Json, JsonError, parseJson, parsePlain } from '../../../src/ir/files/json.js';

/** Maps as objects, to compare with JSON.parse. */
function plain(value: Json): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

describe('parseJson', () => {
  test.each([
    '{}',
    ' [ ] ',
    '{"a":1,"b":[true,false,null],"c":{"d":"\\u00e9\\n\\"\\\\"}}',
    '-0.5e+3',
    '[1,2.25,1e2,0,-7]',
    '"é日本"',
    '"ends in a backslash \\\\"',
    '\t{ "a" : [ 1 , 2 ] }\r\n',
  ])('reads what JSON.parse reads: %s', (text) => {
    expect(plain(parseJson(text))).toEqual(JSON.parse(text));
  });

  test.each([
    ['', 0],
    ['{"a":1,"a":2}', 7],
    ['{"a":1,}', 7],
    ['[1,]', 3],
    ['{"a" 1}', 5],
    ['01', 1],
    ['+1', 0],
    ['.5', 0],
    ['"open', 5],
    ['"\\x"', 0],
    ['"a\nb"', 0],
    ['nul', 0],
    ['{} {}', 3],
    ["{'a':1}", 1],
    ['NaN', 0],
    ['[1 2]', 3],
    ['[', 1],
  ])('refuses %j at %d', (text, offset) => {
    const thrown = (() => {
      try {
        return parseJson(text);
      } catch (error) {
        return error;
      }
    })();
    expect(thrown).toBeInstanceOf(JsonError);
    expect((thrown as JsonError).offset).toBe(offset);
  });

  test('does not run out of stack on deep or long input', () => {
    expect(() => parseJson('['.repeat(100_000))).toThrow('nested deeper');
    expect(parseJson(JSON.stringify('x'.repeat(1 << 20)))).toHaveLength(1 << 20);
  });

  test('keys do not reach the prototype', () => {
    const value = parseJson('{"__proto__":{"polluted":1}}') as ReadonlyMap<string, Json>;
    expect(value.has('__proto__')).toBe(true);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });
});

describe('parsePlain', () => {
  test.each(['{"a":[1,{"b":null}]}', '"[[[["', '{"\\"[":"]\\\\"}', ' 1 '])(
    '%s is as JSON.parse reads it',
    (text) => {
      expect(parsePlain(text)).toEqual(JSON.parse(text));
    },
  );
  test.each([64, 65, 100_000])('%d lists in one another', (depth) => {
    const text = `${'['.repeat(depth)}"${'['.repeat(99)}"${']'.repeat(depth)}`;
    if (depth <= 64) expect(parsePlain(text)).toEqual(JSON.parse(text));
    else expect(() => parsePlain(text)).toThrow(new SyntaxError('values are nested deeper than 64 levels'));
  });
  test('brackets in strings, and lists one after another, do not count', () => {
    expect(parsePlain(`["\\"${'['.repeat(200)}"${',[]'.repeat(200)}]`)).toHaveLength(201);
    expect(() => parsePlain(`"${'['.repeat(200)}`)).toThrow(SyntaxError);
  });
});

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Output, writeAtomically } from '../../../src/ir/files/atomic.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lotrc-atomic-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = (name: string) => join(folder, name);
const text = (name: string, words = name): Output => ({
  path: at(name),
  write: (sink) => sink.write(Buffer.from(words)),
});
const failing = (name: string, act: () => void): Output => ({ path: at(name), write: act });

test('files appear with their folders, and replaced ones keep their permissions', () => {
  writeFileSync(at('old'), 'before');
  chmodSync(at('old'), 0o640);
  const written = writeAtomically([text('a/b/new'), text('old', 'after')]);
  expect(written).toEqual([
    { path: at('a/b/new'), bytes: 7, how: 'written' },
    { path: at('old'), bytes: 5, how: 'written' },
  ]);
  expect(readFileSync(at('old'), 'utf8')).toBe('after');
  expect(statSync(at('old')).mode & 0o777).toBe(0o640);
  expect(readdirSync(folder).sort()).toEqual(['a', 'old']);
});

test('a failing output leaves nothing behind, neither files nor folders', () => {
  const outputs = [
    text('a/b/new'),
    failing('late', () => {
      throw new Error('no more');
    }),
  ];
  expect(() => writeAtomically(outputs)).toThrow('no more');
  expect(readdirSync(folder)).toEqual([]);
});

test('when a file cannot be put in its place, those before it are taken back', () => {
  writeFileSync(at('old'), 'before');
  const outputs = [
    text('made/new'),
    text('old', 'after'),
    text('taken'),
    // between the check of the paths and the renames another program makes a folder
    failing('last', () => mkdirSync(at('taken'))),
  ];
  expect(() => writeAtomically(outputs)).toThrow(/LOTR1201.*it is a folder/s);
  expect(readFileSync(at('old'), 'utf8')).toBe('before');
  expect(readdirSync(folder).sort()).toEqual(['old', 'taken']);
});

test('links, pipes and folders are not replaced', () => {
  writeFileSync(at('target'), 'kept');
  symlinkSync('target', at('link'));
  symlinkSync('nowhere', at('dangling'));
  execFileSync('mkfifo', [at('pipe')]);
  mkdirSync(at('folder'));
  for (const [name, why] of [
    ['link', 'it is a symbolic link'],
    ['dangling', 'it is a symbolic link'],
    ['pipe', 'it is not a regular file'],
    ['folder', 'it is a folder'],
  ] as const) {
    expect(() => writeAtomically([text('before'), text(name)])).toThrow(new RegExp(`LOTR1201.*${why}`, 's'));
    expect(existsSync(at('before'))).toBe(false);
  }
  expect(lstatSync(at('link')).isSymbolicLink()).toBe(true);
  expect(lstatSync(at('pipe')).isFIFO()).toBe(true);
  expect(readFileSync(at('target'), 'utf8')).toBe('kept');
});

test('a copy begins as the file it is of, a link is that file', () => {
  writeFileSync(at('base'), 'base');
  chmodSync(at('base'), 0o400);
  const write = () => undefined;
  const [copy, link] = writeAtomically([
    {
      path: at('copy'),
      copyOf: { path: at('base'), size: 4 },
      write: (sink) => sink.write(Buffer.from('+')),
    },
    { path: at('twin'), linkOf: at('base'), write },
  ]);
  expect(['cloned', 'copied']).toContain(copy!.how);
  expect(readFileSync(at('copy'), 'utf8')).toBe('base+');
  expect(link!.how).toBe('linked');
  expect(statSync(at('twin')).ino).toBe(statSync(at('base')).ino);
  const longer = { path: at('other'), copyOf: { path: at('base'), size: 5 }, write };
  expect(() => writeAtomically([longer])).toThrow('LOTR1006');
});

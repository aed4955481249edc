import { execFileSync, spawnSync } from 'node:child_process';
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
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Output, writeAtomically } from '../../../src/ir/files/atomic.js';
import { temporaryName } from '../../../src/ir/files/temporary.js';

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

test('the copy of a private file is private, and so is what repeats one; a replaced file keeps what it has', () => {
  writeFileSync(at('private'), 'secret');
  chmodSync(at('private'), 0o600);
  writeFileSync(at('old'), 'before');
  chmodSync(at('old'), 0o604);
  const copy = (name: string): Output => ({
    path: at(name),
    copyOf: { path: at('private'), size: 6 },
    write: () => undefined,
  });
  writeAtomically([copy('copy'), copy('old'), { ...text('repeats'), repeats: at('private') }, text('usual')]);
  const mode = (name: string) => statSync(at(name)).mode & 0o777;
  expect([mode('copy'), mode('repeats'), mode('old')]).toEqual([0o600, 0o600, 0o604]);
  expect(mode('usual')).toBe(0o666 & ~process.umask());
});

test('what replaces a private file is private from its first byte', () => {
  writeFileSync(at('old'), 'before');
  chmodSync(at('old'), 0o600);
  let seen = 0;
  const look = () => {
    const temporary = readdirSync(folder).find((name) => name.endsWith('.tmp'))!;
    seen = statSync(at(temporary)).mode & 0o777;
  };
  writeAtomically([{ path: at('old'), write: look }]);
  expect(seen).toBe(0o600);
});

test('temporary files of a process that was killed go when the output is written again', () => {
  const { pid } = spawnSync(process.execPath, ['-e', '']);
  const [mine, other] = [temporaryName(at('model.onnx')), temporaryName(at('other.onnx'))];
  const of = (path: string, id: number) => path.replace(`-${process.pid}-`, `-${id}-`);
  const foreign = mine.replace(/\.[0-9a-f]{6}-/, '.ffffff-');
  const [dead, alive, beside] = [of(mine, pid), mine, of(other, pid)];
  for (const file of [dead, alive, beside, foreign]) writeFileSync(file, 'half');
  writeAtomically([text('model.onnx')]);
  expect([dead, alive, beside, foreign].map((file) => existsSync(file))).toEqual([false, true, true, true]);
});

test('long names have room for the temporary name', () => {
  const long = `${'n'.repeat(250)}.bin`;
  writeAtomically([text(long)]);
  expect(readdirSync(folder)).toEqual([long]);
});

test('large temporary files go when the process is killed while it writes', async () => {
  const janitor = join(import.meta.dirname, '../../../dist/src/ir/files/janitor.js');
  const half = at('half.tmp');
  writeFileSync(half, 'half');
  const program =
    `const { Janitor } = await import(${JSON.stringify(pathToFileURL(janitor).href)});` +
    `const janitor = new Janitor([${JSON.stringify(half)}]);` +
    "janitor.expect(2 ** 20); janitor.expect(2 ** 26); process.kill(process.pid, 'SIGKILL');";
  spawnSync(process.execPath, ['--input-type=module', '-e', program]);
  while (existsSync(half)) await new Promise((done) => setTimeout(done, 20));
});

test('folders that cannot be made are named, and nothing half-made stays', () => {
  writeFileSync(at('file'), 'kept');
  expect(() => writeAtomically([text('made/new'), text('file/new')])).toThrow(/LOTR1201.*it is a file/s);
  expect(readdirSync(folder)).toEqual(['file']);
  const nowhere = { path: '/proc/none/of/this', write: () => undefined };
  if (process.platform === 'linux') expect(() => writeAtomically([nowhere])).toThrow('LOTR1201');
});

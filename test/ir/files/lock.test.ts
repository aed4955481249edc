import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Output, writeAtomically } from '../../../src/ir/files/atomic.js';
import { FileLock, lockFile, requireFree } from '../../../src/ir/files/lock.js';

const BUILT = join(import.meta.dirname, '../../../dist/src/ir/files');
const linux = process.platform === 'linux';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lotrc-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = (name: string) => join(folder, name);
const text = (name: string, words = name): Output => ({
  path: at(name),
  write: (sink) => sink.write(Buffer.from(words)),
});

/** A process that runs a program with the locks' module as `locks` and the writer's as `atomic`. */
function start(program: string): ChildProcess {
  const url = (name: string) => JSON.stringify(pathToFileURL(join(BUILT, name)).href);
  const imports = `const locks = await import(${url('lock.js')}); const atomic = await import(${url('atomic.js')});`;
  const fs = "const fs = await import('node:fs');";
  return spawn(process.execPath, ['--input-type=module', '-e', `${imports}${fs}${program}`], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

const ended = (child: ChildProcess) =>
  new Promise<number | null>((done) => {
    child.on('exit', (code) => done(code));
  });

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((done) => setTimeout(done, 10));
}

/** A process that is in the middle of writing `out` until the file `go` is there. */
async function writer(): Promise<ChildProcess> {
  const child = start(
    "atomic.writeAtomically([{ path: 'out', write: (sink) => {" +
      "fs.writeFileSync('begun', ''); while (!fs.existsSync('go')); sink.write(Buffer.from('theirs')); } }]);",
  );
  await until(() => existsSync(at('begun')));
  return child;
}

/** The lock of `out` as this process would make it, with changes, or a file like it; gives its id. */
function forge(changes: object = {}, file = lockFile(at('out'))): string {
  const lock = FileLock.take(at('forged'));
  const entry = JSON.parse(readFileSync(lockFile(at('forged')), 'utf8')) as { readonly id: string };
  lock.release();
  writeFileSync(file, JSON.stringify({ ...entry, ...changes }));
  return entry.id;
}

const ENDED = { pid: 999_999_999 };

test('of two processes that write one file the second says who the first is; other files are free', async () => {
  const child = await writer();
  const refused = new RegExp(`LOTR1205: process ${child.pid} is writing it, since 2.*Z: .*-->.*out`, 's');
  expect(() => writeAtomically([text('beside'), text('out')])).toThrow(refused);
  expect(existsSync(at('beside'))).toBe(false);
  writeAtomically([text('beside')]);
  writeFileSync(at('go'), '');
  expect(await ended(child)).toBe(0);
  expect(readFileSync(at('out'), 'utf8')).toBe('theirs');
  expect(readdirSync(folder).sort()).toEqual(['begun', 'beside', 'go', 'out']);
  writeAtomically([text('out', 'ours')]);
  expect(readFileSync(at('out'), 'utf8')).toBe('ours');
});

test('the lock of a process that was killed is taken over, and nothing of it stays', async () => {
  const child = await writer();
  child.kill('SIGKILL');
  await ended(child);
  expect(existsSync(lockFile(at('out')))).toBe(true);
  writeAtomically([text('out', 'ours')]);
  expect(readFileSync(at('out'), 'utf8')).toBe('ours');
  expect(readdirSync(folder).sort()).toEqual(['begun', 'out']);
});

test('an ended process is not taken for a later one with its id', () => {
  forge();
  expect(() => writeAtomically([text('out')])).toThrow(`LOTR1205: process ${process.pid} is writing it`);
  if (!linux) return;
  forge({ start: 'another start' });
  writeAtomically([text('out')]);
  expect(readdirSync(folder)).toEqual(['out']);
});

test.each([
  ['host', { host: 'elsewhere', pid: 1 }, 'of the machine or container "elsewhere"'],
  ['space', { space: 'pid:[1]', ...ENDED }, 'of the machine or container'],
])(
  'a process that cannot be seen (another %s) is believed to run, and the lock is named',
  (_, changes, where) => {
    forge(changes);
    expect(() => writeAtomically([text('out')])).toThrow(where);
    expect(() => writeAtomically([text('out')])).toThrow(`if it was killed, remove ${lockFile(at('out'))}`);
    expect(readdirSync(folder)).toEqual([basename(lockFile(at('out')))]);
  },
);

test('links and pipes in the place of a lock are neither followed nor removed', () => {
  writeFileSync(at('secret'), 'kept');
  const lock = lockFile(at('out'));
  symlinkSync('secret', lock);
  expect(() => writeAtomically([text('out')])).toThrow(/LOTR1201.*it is a symbolic link/s);
  expect(readFileSync(at('secret'), 'utf8')).toBe('kept');
  rmSync(lock);
  symlinkSync('nowhere', lock);
  expect(() => writeAtomically([text('out')])).toThrow(/LOTR1201.*it is a symbolic link/s);
  expect(existsSync(at('nowhere'))).toBe(false);
  rmSync(lock);
  execFileSync('mkfifo', [lock]);
  expect(() => writeAtomically([text('out')])).toThrow(/LOTR1201.*it is not a regular file/s);
  expect(existsSync(at('out'))).toBe(false);
});

test("a file that is not a lock stays, one that was never filled goes, and so do an ended process's locks on removals", () => {
  const lock = lockFile(at('out'));
  writeFileSync(lock, 'notes of mine');
  expect(() => writeAtomically([text('out')])).toThrow(/LOTR1205.*does not say which process/s);
  expect(readFileSync(lock, 'utf8')).toBe('notes of mine');
  writeFileSync(lock, '');
  writeFileSync(`${lock}.0123456789ab`, '');
  writeFileSync(`${lock}.notes`, '');
  writeAtomically([text('out')]);
  expect(readdirSync(folder).sort()).toEqual([`${basename(lock)}.notes`, 'out'].sort());
});

test('locks of ended processes on other outputs go too, and those of others stay', () => {
  const locks = ['ended', 'running'].map((name) => lockFile(at(name))) as [string, string];
  const id = forge(ENDED, locks[0]);
  forge({}, `${locks[0]}.${id}`);
  forge({}, locks[1]);
  writeFileSync(`${locks[1]}.${'a'.repeat(12)}`, '');
  // someone is removing the first
  writeAtomically([text('out')]);
  expect(readdirSync(folder)).toHaveLength(4);
  forge(ENDED, `${locks[0]}.${id}`);
  writeAtomically([text('out')]);
  expect(readdirSync(folder).sort()).toEqual([basename(locks[1]), 'out']);
});

test('a lock that another process has made again is not removed by the one that had it', () => {
  const lock = FileLock.take(at('out'));
  rmSync(lockFile(at('out')));
  const next = FileLock.take(at('out'));
  lock.release();
  expect(() => requireFree(at('out'))).toThrow('LOTR1205');
  next.release();
  requireFree(at('out'));
  expect(readdirSync(folder)).toEqual([]);
});

test('long names have locks of their own', () => {
  const [one, other] = ['1', '2'].map((end) => at(`${'n'.repeat(250)}${end}`)) as [string, string];
  const locks = [one, other].map((path) => FileLock.take(path));
  for (const lock of locks) lock.release();
  expect(readdirSync(folder)).toEqual([]);
});

test('a lock is removed by nobody who does not hold the lock on its removal', () => {
  const removal = `${lockFile(at('out'))}.${forge(ENDED)}`;
  forge({}, removal);
  expect(() => writeAtomically([text('out')])).toThrow('LOTR1205');
  expect(existsSync(lockFile(at('out')))).toBe(true);
  // whoever was about to remove it was killed
  forge(ENDED, removal);
  writeAtomically([text('out')]);
  expect(readdirSync(folder)).toEqual(['out']);
});

test('never do two processes hold a lock, also while holders are killed', async () => {
  // each enters 8 times; until all together did 30 times, every third time it is killed while it holds the lock
  const program =
    'for (let n = 0; n < 8; ) { let lock; try { lock = locks.FileLock.take("out"); }' +
    ' catch (error) { if (!/LOTR1205/.test(error.message)) throw error; continue; }' +
    " fs.mkdirSync('inside'); fs.rmdirSync('inside'); fs.appendFileSync('count', '.');" +
    " if (++n % 3 === 0 && fs.readFileSync('count', 'utf8').length < 30) process.kill(process.pid, 'SIGKILL');" +
    ' lock.release(); }';
  const workers = Array.from({ length: 3 }, async () => {
    for (let rounds = 1; ; rounds++) {
      const code = await ended(start(program));
      if (code !== null) return { code, rounds };
    }
  });
  const ends = await Promise.all(workers);
  expect(ends.map(({ code }) => code)).toEqual([0, 0, 0]);
  expect(Math.max(...ends.map(({ rounds }) => rounds))).toBeGreaterThan(1);
  FileLock.take(at('out')).release();
  writeAtomically([text('out')]);
  expect(readdirSync(folder).sort()).toEqual(['count', 'out']);
}, 60_000);

test('folders that two commands make at the same time hinder neither', async () => {
  const program =
    "while (!fs.existsSync('go')); for (let n = 0; n < 40; n++)" +
    " atomic.writeAtomically([{ path: ['made', n, 'in', process.pid].join('/'), write: () => undefined }]);";
  const children = [start(program), start(program)];
  const codes = children.map(ended);
  await new Promise((done) => setTimeout(done, 300));
  writeFileSync(at('go'), '');
  expect(await Promise.all(codes)).toEqual([0, 0]);
  for (const child of children) expect(existsSync(at(`made/39/in/${child.pid}`))).toBe(true);
});

test('a janitor removes the locks of a process that was killed, and no others', async () => {
  mkdirSync(at('sub'));
  const url = JSON.stringify(pathToFileURL(join(BUILT, 'janitor.js')).href);
  const program =
    `const { Janitor } = await import(${url}); const janitor = new Janitor([]);` +
    'const held = ["sub/a", "sub/b"].map((path) => locks.FileLock.take(path));' +
    'for (const lock of held) janitor.holds(lock); janitor.watch();' +
    // as if the second had been taken over
    "fs.writeFileSync(locks.lockFile('sub/b'), fs.readFileSync(locks.lockFile('sub/a')));" +
    "process.kill(process.pid, 'SIGKILL');";
  await ended(start(program));
  await until(() => !existsSync(lockFile(at('sub/a'))));
  // by then it has ended
  await until(() => readdirSync(at('sub')).length === 1);
  expect(readdirSync(at('sub'))).toEqual([basename(lockFile(at('sub/b')))]);
});

test('a janitor of a lock that was released makes nothing in its folder, which may be about to be removed', async () => {
  mkdirSync(at('sub'));
  const url = JSON.stringify(pathToFileURL(join(BUILT, 'janitor.js')).href);
  const program =
    "const children = process.getBuiltinModule('node:child_process'); const { spawn } = children; let last;" +
    'children.spawn = (...words) => { last = spawn(...words); return last; };' +
    "process.getBuiltinModule('node:module').syncBuiltinESMExports();" +
    `const { Janitor } = await import(${url}); const janitor = new Janitor([]);` +
    "const lock = locks.FileLock.take('sub/a'); janitor.holds(lock); janitor.watch(); lock.release();" +
    // a file that is made and removed again would show
    "fs.utimesSync('sub', 1, 1); janitor.dismiss(); last.ref();" +
    "await new Promise((done) => last.on('exit', done)); process.exitCode = fs.statSync('sub').mtimeMs === 1000 ? 0 : 9;";
  expect(await ended(start(program))).toBe(0);
  expect(readdirSync(at('sub'))).toEqual([]);
});

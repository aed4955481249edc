import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EVERYTHING, WHOLE } from '../support/everything.js';
import { Commands } from './commands.js';
import { exercise, type Place } from './exercise.js';
import { isLink } from './files.js';
import { FORMATS } from './formats.js';
import { type Input, makeInput } from './inputs.js';
import { failsAs, minimised } from './minimise.js';
import { decode, encode } from './proto.js';
import { savedInput, saveInput } from './saved.js';
import { loadSeeds, type Seeds } from './seeds.js';
import { Watch } from './watch.js';
import { Workspace } from './workspace.js';

const CORPUS = join(import.meta.dirname, 'corpus');
const DATA = join(import.meta.dirname, '../data');
const scratch = mkdtempSync(join(tmpdir(), 'lotrc-fuzz-test-'));
let place: Place;
let seeds: Seeds;
beforeAll(() => {
  const workspace = new Workspace();
  workspace.enter();
  seeds = loadSeeds(join(CORPUS, 'seeds'), DATA, workspace);
  place = { workspace, watch: new Watch(workspace.root), commands: new Commands() };
});
afterAll(() => {
  place.watch.remove();
  place.workspace.leave();
  place.workspace.remove();
  rmSync(scratch, { recursive: true, force: true });
});

test('seeds are well-formed and their trees encode to the same bytes', async () => {
  expect(seeds.models.length).toBeGreaterThan(12);
  for (const [index, bytes] of seeds.models.entries()) {
    const input: Input = { format: 'onnx', files: new Map([['in/input.onnx', bytes]]), choice: index };
    expect(await exercise(input, place), `seed ${index}`).not.toContain('LOTR1001');
    expect(Buffer.compare(encode(decode(bytes, 'Model')), bytes), `seed ${index}`).toBe(0);
  }
});

describe('inputs that once were not refused', () => {
  test.each(readdirSync(join(CORPUS, 'found')))('%s', async (name) => {
    await exercise(savedInput(join(CORPUS, 'found', name)), place);
  });
});

/** The most inputs of a format, those of a quick run, and how many times as many CI takes. */
const [MOST, SOME, IN_CI] = [600, 60, 3];

/** Codes that inputs of a format are to end in: mutations that all fail at the first byte, or none, would test nothing. */
const CODES: Readonly<Record<string, readonly string[]>> = {
  onnx: ['success', 'LOTR1001', 'LOTR1005'],
  onnxtxt: ['LOTR1401'],
  gguf: ['LOTR1001', 'LOTR7001', 'LOTR7301', 'LOTR7701'],
  safetensors: ['success', 'LOTR7001'],
  onnx_adapter: ['success', 'LOTR7101'],
  peft: ['success', 'LOTR7202'],
  training: ['success', 'LOTR8201'],
  run: ['LOTR8211', 'LOTR8212'],
  // LOTR8250: what was decoded does not fit the model; success is rare, and each file is a process
  parquet: ['LOTR8204', 'LOTR8250'],
  tokenizer: ['success', 'LOTR8209'],
  config: ['success', 'LOTR8209'],
  data: ['success', 'LOTR8204'],
  events: ['success'],
  schedules: ['success', 'LOTR6007'],
};

describe.each(FORMATS)('changed files: $name', ({ name, quick = SOME }) => {
  test('they end in success or a diagnostic, and change nothing else', async () => {
    const codes = new Map<string, number>();
    const count = WHOLE ? MOST : EVERYTHING ? quick * IN_CI : quick;
    // some codes are rare: the inputs go on until each was seen
    const rare = () => CODES[name]!.some((code) => !codes.has(code));
    for (let index = 0; index < count || (index < MOST && rare()); index++) {
      const input = makeInput(seeds, 11, index, name);
      const outcome = await exercise(input, place).catch((cause: unknown) => {
        throw new Error(`npm run fuzz -- --seed 11 --from ${index} --count 1 --format ${name}`, { cause });
      });
      for (const code of outcome.length === 0 ? ['success'] : outcome)
        codes.set(code, (codes.get(code) ?? 0) + 1);
    }
    for (const code of CODES[name]!) {
      expect([...codes.keys()]).toContain(code);
    }
  });
});

test('an input is made of its seed and index alone, and is the same after it was kept', () => {
  for (let index = 0; index < 20; index++) {
    const input = makeInput(seeds, 3, index);
    expect(makeInput(seeds, 3, index)).toEqual(input);
    const { format, files, choice } = savedInput(saveInput(scratch, `kept-${index}`, input));
    expect([format, choice]).toEqual([input.format, input.choice]);
    const sorted = (list: Input['files']) =>
      [...list]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([path, content]) => [path, isLink(content) ? content : Buffer.from(content)]);
    expect(sorted(files)).toEqual(sorted(input.files));
  }
  expect(makeInput(seeds, 3, 1)).not.toEqual(makeInput(seeds, 4, 1));
});

describe('what is watched', () => {
  const { prototype } = Object;
  test('a key of a prototype', () => {
    place.watch.start();
    expect(place.watch.fault()).toBeNull();
    Object.defineProperty(prototype, 'polluted', { value: 1, configurable: true });
    const fault = place.watch.fault();
    Reflect.deleteProperty(prototype, 'polluted');
    expect(fault).toMatch(/a prototype was changed: Object: .*polluted/);
  });
  test.each([
    ['w.bin', /it changed .*in\/w\.bin/],
    ['link/new', /it changed .*in\/link\/new/],
    ['../out/link/new', /it changed .*out\/link\/new/],
    ['../out/.a.onnx.123.tmp', /it left .*out\/\.a\.onnx\.123\.tmp/],
    ['../tmp/report', /it left .*tmp\/report/],
    ['../out/a.onnx', null],
  ])('a file written at %s', (path, wanted) => {
    place.workspace.place(new Map([['out/link', { link: '../outside' }]]));
    place.watch.start();
    writeFileSync(path, 'new');
    const fault = place.watch.fault();
    if (wanted === null) expect(fault).toBeNull();
    else expect(fault).toMatch(wanted);
    writeFileSync('w.bin', new Uint8Array(Float32Array.from({ length: 32 }, (_, i) => i / 16 - 1).buffer));
  });
  test('a link that was made', () => {
    place.watch.start();
    symlinkSync('w.bin', 'made');
    expect(place.watch.fault()).toMatch(/it changed .*in\/made/);
    place.workspace.place(new Map());
  });
});

test('a defect is made small: what is left fails alike', async () => {
  const text = Buffer.from(`${' '.repeat(300)}x${' '.repeat(300)}`);
  const files = new Map([
    ['in/a.txt', text],
    ['in/b.txt', Buffer.from('b')],
  ]);
  const holds = ({ files: left }: Input) =>
    [...left.values()].some((content) => !isLink(content) && content.includes(0x78));
  const small = await minimised({ format: 'data', files, choice: 0 }, (trial) =>
    Promise.resolve(holds(trial)),
  );
  expect([...small.files]).toEqual([['in/a.txt', Buffer.from('x')]]);
  // a defect of another kind, or none, is not that one
  expect(await failsAs({ format: 'data', files, choice: 0 }, 'Error: other', place)).toBe(false);
});

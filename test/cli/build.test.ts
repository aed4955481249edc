import { spawn } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Pool } from '../../cli/build/pool.js';
import { recalled } from '../../cli/build/recall.js';
import type { BuildConfig } from '../../src/build/config.js';
import { stepsOf } from '../../src/build/steps.js';
import { type CliResult, command } from '../support/cli.js';

const ROOT = resolve(import.meta.dirname, '../..');
const CASES = join(ROOT, 'test/data/cases/train');
const root = mkdtempSync(join(tmpdir(), 'lotrc-builds-'));
afterAll(() => rmSync(root, { recursive: true }));

interface Report {
  readonly steps: readonly {
    readonly step: string;
    readonly result: string;
    readonly counts: { readonly layers: number; readonly trainable: number } | null;
    readonly files: readonly { readonly path: string; readonly digest: string }[];
  }[];
}

/** A project with a model and a config. */
class Project {
  readonly folder: string;
  readonly config: string;

  constructor(name: string, model: Omit<BuildConfig['models'][string], 'input'>, base = 'gpt2c.onnx') {
    this.folder = join(root, name);
    mkdirSync(this.folder);
    for (const file of [base, 'gpt2tok.json', 'sent.jsonl'])
      cpSync(join(CASES, file), join(this.folder, file));
    this.config = join(this.folder, 'lotrc.config.json');
    this.write(model, base);
  }

  write(model: object, base = 'gpt2c.onnx'): void {
    writeFileSync(this.config, JSON.stringify({ models: { net: { input: base, ...model } } }));
  }

  at(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  build(...more: readonly string[]): Promise<CliResult> {
    return command(['build', '--config', this.config, '--cache', this.at('cache'), '--jobs', '1', ...more]);
  }

  /** What became of each step. */
  async results(...more: readonly string[]): Promise<string> {
    const { out, err } = await this.build('--json', ...more);
    if (out === '') throw new Error(err);
    return (JSON.parse(out) as Report).steps.map(({ step, result }) => `${step} ${result}`).join(', ');
  }

  /** Every output with its bytes. */
  outputs(): ReadonlyMap<string, string> {
    const names = readdirSync(this.at('dist'), { recursive: true, encoding: 'utf8' }).sort();
    const files = names.filter((name) => statSync(this.at('dist', name)).isFile());
    return new Map(files.map((name) => [name, readFileSync(this.at('dist', name), 'latin1')]));
  }
}

const REWRITE = { rank: 2, targets: ['c_attn'] };

test('a build makes every output, the same in another folder, and then finds them up to date', async () => {
  const model = {
    rewrite: { ...REWRITE, init: 'fan-in' },
    training: { lrMultipliers: { M: 4 } },
    train: {
      data: 'sent.jsonl',
      tokenizer: 'gpt2tok.json',
      maxSteps: 1,
      batchSize: 2,
      maxLength: 8,
      threads: 1,
    },
    outputs: ['onnx', 'adapter', 'training', 'merged', 'cuda'],
  } as const;
  const a = new Project('one', model);
  const b = new Project('two', {
    ...model,
    train: undefined,
    outputs: ['onnx', 'adapter', 'training', 'cuda'],
  });
  const first = await a.build('--json');
  expect(first.err).not.toContain('error');
  const { steps } = JSON.parse(first.out) as Report;
  expect(steps.map(({ step, result }) => `${step} ${result}`).join(', ')).toBe(
    'rewrite made, training made, train made, merge made, cuda made',
  );
  expect(steps[0]!.counts).toEqual({ layers: 2, trainable: 2 * (32 + 96) + 2 * 4 });
  expect((await b.build()).code).toBe(0);
  const made = a.outputs();
  expect([...made.keys()]).toEqual(
    expect.arrayContaining(['net.onnx', 'net.safetensors', 'net.merged.onnx']),
  );
  expect([...made.keys()]).toEqual(
    expect.arrayContaining(['net.training/step.onnx', 'net.run/adapter.safetensors']),
  );
  const others = b.outputs();
  expect(others.size).toBeGreaterThan(20);
  for (const [name, bytes] of others) expect(made.get(name) === bytes, name).toBe(true);

  const upToDate =
    'rewrite up to date, training up to date, train up to date, merge up to date, cuda up to date';
  expect(await a.results()).toBe(upToDate);
  utimesSync(a.at('gpt2c.onnx'), new Date(), new Date());
  expect(await a.results()).toBe(upToDate);
  rmSync(a.at('dist/net.cuda/plan.txt'));
  appendFileSync(a.at('dist/net.onnx'), 'x');
  expect(await a.results('--depfile', a.at('net.d'))).toBe(
    'rewrite from the cache, training up to date, train up to date, merge up to date, cuda from the cache',
  );
  expect(a.outputs()).toEqual(made);
  const rule = readFileSync(a.at('net.d'), 'utf8').split('\n\n')[0]!;
  for (const file of ['dist/net.onnx', 'dist/net.run/adapter.safetensors', 'dist/net.cuda/plan.txt'])
    expect(rule.split(':')[0]).toContain(a.at(file));
  for (const file of ['lotrc.config.json', 'gpt2c.onnx', 'sent.jsonl', 'gpt2tok.json'])
    expect(rule.split(':')[1]).toContain(a.at(file));

  // other kernels: those of the build before are gone, and what the user put there stays
  writeFileSync(a.at('dist/net.cuda/mine.txt'), '');
  a.write({
    ...model,
    outputs: ['onnx', 'cuda'],
    training: undefined,
    train: undefined,
    cuda: { for: 'serve' },
  });
  const { steps: again } = JSON.parse((await a.build('--json')).out) as Report;
  expect(again.map(({ result }) => result)).toEqual(['made', 'made']);
  const kernels = again[1]!.files.map(({ path }) => path.replace('dist/', ''));
  expect(kernels.length).toBeLessThan([...made.keys()].filter((name) => name.startsWith('net.cuda/')).length);
  const now = [...a.outputs().keys()].filter((name) => name.startsWith('net.cuda/'));
  expect(now).toEqual([...kernels, 'net.cuda/mine.txt'].sort());
});

describe('what is made again', () => {
  test('is what another rank or base changes, and with --dry-run nothing is written', async () => {
    const project = new Project('changes', { rewrite: REWRITE, outputs: ['adapter'] });
    const planned = await project.build('--dry-run');
    expect(planned.out).toContain('would be made  dist/net.safetensors         2 layers, 264 trainable');
    expect(existsSync(project.at('dist'))).toBe(false);
    expect(await project.results()).toBe('rewrite made');
    expect(await project.results('--dry-run')).toBe('rewrite up to date');
    expect(await project.results('--force')).toBe('rewrite made');
    project.write({ rewrite: { ...REWRITE, rank: 3 }, outputs: ['adapter'] });
    expect(await project.results('--dry-run')).toBe('rewrite would be made');
    project.write({ rewrite: REWRITE, outputs: ['adapter'] });
    rmSync(project.at('dist'), { recursive: true });
    expect(await project.results('--dry-run')).toBe('rewrite would come from the cache');
    const bytes = readFileSync(project.at('gpt2c.onnx'));
    bytes[bytes.length >> 1]! ^= 1;
    writeFileSync(project.at('gpt2c.onnx'), bytes);
    expect(await project.results('--dry-run')).toBe('rewrite would be made');
  });

  test('is nothing as long as no file is another, and then not even the options are read', async () => {
    const project = new Project('recalled', { rewrite: REWRITE, outputs: ['adapter'] });
    const cache = project.at('cache');
    const last = () => recalled(cache, project.config)?.outcomes.map(({ result }) => result) ?? null;
    expect(last()).toBeNull();
    expect(await project.results()).toBe('rewrite made');
    expect(last()).toEqual(['up to date']);
    const shown = (await project.build()).out;
    rmSync(join(cache, 'last'), { recursive: true });
    expect((await project.build()).out).toBe(shown);
    const touched = new Date();
    for (const file of [project.config, project.at('gpt2c.onnx'), project.at('dist/net.safetensors')]) {
      expect(last()).toEqual(['up to date']);
      utimesSync(file, touched, touched);
      expect(last()).toBeNull();
      expect(await project.results()).toBe('rewrite up to date');
    }
    const memory = join(cache, 'last', readdirSync(join(cache, 'last')).find((name) => /whole$/.test(name))!);
    writeFileSync(memory, readFileSync(memory, 'utf8').replace('"about":"2', '"about":"3'));
    expect(last()).toBeNull();
    expect(await project.results('--force')).toBe('rewrite made');
    expect(last()).toEqual(['up to date']);
    rmSync(project.at('dist/net.safetensors'));
    expect(await project.results()).toBe('rewrite from the cache');
    project.write({ rewrite: { ...REWRITE, rank: 0 } });
    expect((await project.build()).err).toContain('LOTR8302');

    // a config that computes may become another without a change of a file
    const program = project.at('lotrc.config.mjs');
    writeFileSync(
      program,
      "const rank = Number(process.env.LOTRC_TEST_RANK ?? 2);\nexport default { models: { net: { input: 'gpt2c.onnx', rewrite: { rank } } } };",
    );
    const counts = async () => {
      const { out } = await command(['build', '--dry-run', '--json', '--config', program, '--cache', cache]);
      expect(recalled(cache, program)).toBeNull();
      return (JSON.parse(out) as Report).steps[0]!.counts!.trainable;
    };
    const two = await counts();
    process.env.LOTRC_TEST_RANK = '3';
    try {
      expect(await counts()).toBeGreaterThan(two);
    } finally {
      delete process.env.LOTRC_TEST_RANK;
    }
  });

  test('is made once by two builds at once', async () => {
    const project = new Project('both', { rewrite: REWRITE });
    const results = await Promise.all([project.results(), project.results()]);
    expect([...results].sort()).toEqual(['rewrite from the cache', 'rewrite made']);
    expect([...project.outputs().keys()]).toEqual(['net.onnx', 'net.safetensors']);
  });
});

describe('a step that fails', () => {
  test('is reported with its place in the config, the steps after it are left out, and others run', async () => {
    const project = new Project('fails', {
      rewrite: { rank: 2, targets: ['c_atn'] },
      outputs: ['onnx', 'merged'],
    });
    const good = { input: 'gpt2c.onnx', rewrite: REWRITE, outputs: ['adapter'] };
    const { models } = JSON.parse(readFileSync(project.config, 'utf8')) as BuildConfig;
    writeFileSync(project.config, JSON.stringify({ models: { ...models, good } }));
    const { code, out, err } = await project.build();
    expect(code).toBe(1);
    expect(err).toContain('error LOTR3002: --target "c_atn" matches no layer');
    expect(err).toContain(`note: in models.net.rewrite of ${project.config}`);
    expect(out.replace(/ +/g, ' ')).toMatch(/net rewrite failed.*\nnet merge left out.*\ngood rewrite made/);
    // options that do not go together are the usage errors of the command
    project.write({ rewrite: { ...REWRITE, keepFunctions: true, lowering: 'fold' } });
    const usage = await project.build();
    expect(usage).toMatchObject({ code: 2, err: expect.stringContaining('--keep-functions') as string });
  });

  test('also when its process is killed', async () => {
    const project = new Project('killed', { rewrite: REWRITE });
    const config = JSON.parse(readFileSync(project.config, 'utf8')) as BuildConfig;
    const [step] = stepsOf(config, project.folder, 'x');
    const pool = new Pool(project.folder);
    const task = { step: step!, key: '0'.repeat(64), cache: project.at('cache'), want: 'make' } as const;
    const answer = pool.run(task, () => undefined);
    pool.interrupt();
    const said = {
      code: 'LOTR8304',
      message: 'the process of the step "net rewrite" ended by signal SIGINT',
    };
    expect(await answer).toMatchObject({ kind: 'failed', diagnostics: [said] });
    // one that ends between two tasks is not asked for the next
    const plan = () => pool.run({ ...task, want: 'plan' }, () => undefined);
    expect(await plan()).toMatchObject({ kind: 'planned' });
    pool.interrupt();
    // it may end a little later, with the task that it was given
    let next = await plan();
    for (; next.kind === 'failed'; next = await plan())
      expect(next.diagnostics).toMatchObject([{ code: 'LOTR8304' }]);
    expect(next).toMatchObject({ kind: 'planned' });
    pool.close();
  });

  test('and so is a config that is missing, cannot be loaded, or does not fit', async () => {
    const none = await command(['build', '--config', join(root, 'none.mjs')]);
    expect(none).toMatchObject({ code: 1, err: expect.stringContaining('LOTR8303') as string });
    const of = async (name: string, text: string) => {
      const file = join(root, name);
      writeFileSync(file, text);
      const { code, err } = await command(['build', '--config', file, '--cache', join(root, 'cache')]);
      return `${code} ${err}`;
    };
    expect(await of('a.json', '{')).toMatch(/^1 error LOTR8303: the config cannot be loaded: /);
    expect(await of('b.ts', 'export default (')).toMatch(/^1 error LOTR8303/);
    expect(await of('c.mjs', 'throw new Error("mine")')).toMatch(/^1 error LOTR8303: .*mine/);
    expect(await of('d.ts', 'export default { models: 1 as number };')).toMatch(
      /^1 error LOTR8302: models must be an object/,
    );
    expect(await command(['build', '--watch', '--json'])).toMatchObject({ code: 2 });
    expect(await command(['build', '--dry-run', '--depfile', 'x'])).toMatchObject({ code: 2 });
  });
});

test.each([
  ['README.md', /```js\n([\s\S]*?)```/],
  ['docs/build.md', /```ts\n([\s\S]*?)```/],
])('the config in %s is taken as it is', async (document, code) => {
  const page = readFileSync(join(ROOT, document), 'utf8');
  const folder = join(root, document.replace('/', '-'));
  mkdirSync(join(folder, 'models'), { recursive: true });
  cpSync(join(CASES, 'bert2.onnx'), join(folder, 'models/bert.onnx'));
  const config = join(folder, 'lotrc.config.ts');
  writeFileSync(config, code.exec(page)![1]!);
  const cache = join(folder, 'cache');
  const {
    out,
    err,
    code: ended,
  } = await command(['build', '--config', config, '--cache', cache, '--dry-run']);
  expect({ err, ended }).toEqual({ err: '', ended: 0 });
  const shown = /\$ lotrc build --dry-run\n([\s\S]*?)```/.exec(page)?.[1];
  if (shown !== undefined) expect(out).toBe(shown);
});

test('a build that watches does it again when the config changes, and ends on Ctrl-C', async () => {
  const project = new Project('watched', {});
  rmSync(project.config);
  const main = join(ROOT, 'dist/cli/main.js');
  const wrong = spawn(process.execPath, [main, 'build'], { cwd: project.folder });
  let said = '';
  wrong.stderr.on('data', (text: Buffer) => {
    said += text;
  });
  await new Promise((done) => wrong.on('close', done));
  expect(said).toContain('error LOTR8301: there is no lotrc.config.ts');

  const write = (rank: number) => {
    const text = `import { defineConfig } from 'lotrc/config';
export default defineConfig({ models: { net: { input: 'gpt2c.onnx', rewrite: { rank: ${rank} }, outputs: ['adapter'] } } });`;
    writeFileSync(project.at('lotrc.config.ts'), text);
  };
  write(0);
  const child = spawn(process.execPath, [main, 'build', '--watch', '--cache', 'cache'], {
    cwd: project.folder,
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (text: Buffer) => {
    out += text;
  });
  child.stderr.on('data', (text: Buffer) => {
    err += text;
  });
  const until = async (done: () => boolean) => {
    while (!done()) await new Promise((next) => setTimeout(next, 20));
  };
  const waits = (count: number) => () => err.split('waiting for changes').length > count;
  await until(waits(1));
  expect(err).toContain('models.net.rewrite.rank takes a whole number of at least 1, not 0');
  write(2);
  await until(waits(2));
  expect(out).toContain('net rewrite: made');
  const ended = new Promise((done) => child.on('close', (code, signal) => done(signal ?? code)));
  child.kill('SIGINT');
  expect(await ended).toBe('SIGINT');
});

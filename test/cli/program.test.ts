import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { hooksOf } from '../../cli/hooks.js';
import { main } from '../../cli/program.js';
import { Reporter } from '../../cli/reporter.js';
import { readDescription } from '../../src/adapter/description-check.js';
import { METHODS } from '../../src/adapter/methods/index.js';
import type { LotrcError } from '../../src/ir/diagnostics.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { parseModel, printModel } from '../../src/ir/text/index.js';
import { definePass, pipelineOf, runPipeline } from '../../src/passes/pipeline.js';
import { lotrc } from '../support/cli.js';

const PROGRAM = resolve(import.meta.dirname, '../../dist/cli/main.js');
const TEXT = `<ir_version: 9, opset_import: ["" : 17]>
g (float[batch, 3] x) => (float[batch, 4] y)
< float[3,4] "proj.weight" = {1.5, -0.25, 1.0, 0.75, -1.5, 0.125, 0.25, -0.5, 2.0, 1.25, -0.75, 0.375} >
{ ["/proj/MatMul"] y = MatMul (x, "proj.weight") }
`;

const made: string[] = [];
let folder = '';
let base = '';
const at = (name: string) => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lotrc-cli-'));
  made.push(folder);
  base = at('base.onnx');
  writeModel(parseModel(TEXT), base);
});
afterAll(() => {
  for (const path of made) rmSync(path, { recursive: true, force: true });
});

describe('exit codes and streams', () => {
  test('help goes to stdout with code 0, for the program and for every command', async () => {
    const top = await lotrc('--help');
    expect(top).toMatchObject({ code: 0, err: '' });
    const names = [...top.out.matchAll(/^ {2}(\w+) (?:\[|<)/gm)].map(([, name]) => name!);
    expect(names).toEqual(
      expect.arrayContaining([
        'inspect',
        'rewrite',
        'merge',
        'extract',
        'apply',
        'verify',
        'print',
        'passes',
        'explain',
        'run',
        'strip',
      ]),
    );
    for (const name of names) {
      const { code, out, err } = await lotrc(name, '--help');
      expect({ name, code, err }).toEqual({ name, code: 0, err: '' });
      if (/^Usage: .*\[command\]$/m.test(out)) continue; // a group: its commands have the examples
      expect(out, `${name} --help shows an example`).toMatch(new RegExp(`Examples?:\\n {2}lotrc ${name}`));
    }
  });

  test('a missing command shows the help', async () => {
    expect(await lotrc()).toMatchObject({ code: 0, err: '', out: expect.stringContaining('Usage: lotrc') });
  });

  test('--version prints that of package.json', async () => {
    const { version } = JSON.parse(
      readFileSync(resolve(import.meta.dirname, '../../package.json'), 'utf8'),
    ) as { version: string };
    expect(await lotrc('--version')).toEqual({ code: 0, out: `${version}\n`, err: '' });
  });

  test('--diagnostics json gives one document on stderr, also for wrong command lines', async () => {
    const wrong = await lotrc('rewrite', base, '--rnk', '2', '--diagnostics', 'json');
    expect(wrong.code).toBe(2);
    expect(JSON.parse(wrong.err)).toMatchObject({
      version: 1,
      diagnostics: [{ code: 'LOTR8001', severity: 'error' }],
    });
    const refused = await lotrc('rewrite', base, '--rank', '9', '--target', 'proj', '--diagnostics=json');
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(JSON.parse(refused.err).diagnostics).toMatchObject([
      { code: 'LOTR3006', hint: expect.any(String) },
    ]);
    const fine = await lotrc('inspect', base, '--diagnostics', 'json');
    expect({ code: fine.code, err: JSON.parse(fine.err) }).toEqual({
      code: 0,
      err: { version: 1, diagnostics: [] },
    });
  });

  test('a defect of lotrc is LOTR9002 with a report, and code 70', async () => {
    let err = '';
    const io = {
      out: () => {
        throw new RangeError('the stream burst');
      },
      err: (text: string) => {
        err += text;
      },
    };
    expect(await main(['print', base], io)).toBe(70);
    expect(err).toContain('LOTR9002: internal error: the stream burst');
    const [, file] = /--> (.*)\n/.exec(err)!;
    expect(readFileSync(file!, 'utf8')).toContain('RangeError: the stream burst');
    rmSync(file!);
  });

  test('a failing pass is LOTR9001 and leaves a reproducer that runs', async () => {
    const broken = definePass({
      name: 'broken',
      summary: 'fails',
      options: {},
      run: () => {
        throw new Error('no such luck');
      },
    });
    const run = {
      io: { out: () => {}, err: () => {} },
      reporter: new Reporter({ out: () => {}, err: () => {} }, 'text'),
      exitCode: 0,
    };
    const model = parseModel(TEXT);
    let caught: unknown;
    try {
      runPipeline(pipelineOf([broken()]), model, { hooks: hooksOf({}, run), print: printModel });
    } catch (error) {
      caught = error;
    }
    const [diagnostic] = (caught as LotrcError).diagnostics;
    expect(diagnostic).toMatchObject({ code: 'LOTR9001', message: 'pass "broken" failed: no such luck' });
    const [file] = /\S+\.onnxtxt/.exec(diagnostic!.hint!)!;
    const text = readFileSync(file, 'utf8');
    rmSync(file);
    expect(text).toContain("# RUN: lotrc run %s --passes 'broken'");
    expect(printModel(parseModel(text))).toBe(printModel(parseModel(TEXT)));
  });
});

describe('outputs', () => {
  test('have default names next to the input', async () => {
    const { code, out } = await lotrc('rewrite', base, '--rank', '2', '--target', 'proj');
    expect(code).toBe(0);
    expect(out).toContain('trainable parameters: 18');
    expect(readdirSync(folder).sort()).toEqual(['base.lotr.onnx', 'base.lotr.safetensors', 'base.onnx']);
    expect((await lotrc('merge', at('base.lotr.onnx'))).code).toBe(0);
    expect((await lotrc('strip', at('base.lotr.onnx'))).code).toBe(0);
    expect((await lotrc('extract', at('base.lotr.onnx'), '-o', at('a.safetensors'))).code).toBe(0);
    expect(readdirSync(folder)).toEqual(
      expect.arrayContaining(['base.lotr.merged.onnx', 'base.lotr.base.onnx', 'a.safetensors']),
    );
    expect(readFileSync(at('a.safetensors'))).toEqual(readFileSync(at('base.lotr.safetensors')));
  });

  test('are never the input, also when reached through a hard link', async () => {
    const before = readFileSync(base);
    linkSync(base, at('twin.onnx'));
    for (const options of [
      ['-o', at('twin.onnx')],
      ['-o', at('new.onnx'), '--adapter', at('twin.onnx')],
    ]) {
      const { code, err } = await lotrc('rewrite', base, '--rank', '2', '--target', 'proj', ...options);
      expect(code).toBe(1);
      expect(err).toContain('LOTR1202');
    }
    expect(readFileSync(base)).toEqual(before);
    expect(readdirSync(folder).sort()).toEqual(['base.onnx', 'twin.onnx']);
  });

  test('appear both or not at all', async () => {
    mkdirSync(at('out.safetensors'));
    const before = readdirSync(folder).sort();
    const taken = await lotrc('rewrite', base, '--rank', '2', '--target', 'proj', '-o', at('out.onnx'));
    expect(taken).toMatchObject({ code: 1, err: expect.stringContaining('LOTR1201') });
    expect(taken.err).toContain('it is a folder');
    const file = ['-o', at('new/out.onnx'), '--adapter', at('base.onnx/a.safetensors')];
    const below = await lotrc('rewrite', base, '--rank', '2', '--target', 'proj', ...file);
    expect(below).toMatchObject({ code: 1, err: expect.stringContaining('LOTR1201') });
    expect(readdirSync(folder).sort()).toEqual(before);
  });

  test('go into a folder under their standard names, and make folders that are missing', async () => {
    mkdirSync(at('there'));
    const files = async (...command: string[]) => {
      const { code, err } = await lotrc(...command);
      expect(code, err).toBe(0);
    };
    const adapted = at('there/base.lotr.onnx');
    await files('rewrite', base, '--rank', '2', '--target', 'proj', '-o', at('there'));
    await files('apply', base, at('there/base.lotr.safetensors'), '-o', at('made/of/two/'));
    await files('merge', adapted, '-o', at('there'));
    await files('strip', adapted, '-o', at('there'));
    await files('extract', adapted, '-o', at('other/'));
    await files('print', adapted, '-o', at('there'));
    await files('run', adapted, '--passes', 'dce', '-o', at('run/'));
    expect(readdirSync(at('there')).sort()).toEqual([
      'base.lotr.base.onnx',
      'base.lotr.merged.onnx',
      'base.lotr.onnx',
      'base.lotr.onnxtxt',
      'base.lotr.safetensors',
    ]);
    expect(readFileSync(at('made/of/two/base.lotr.onnx'))).toEqual(readFileSync(adapted));
    expect(readdirSync(at('other'))).toEqual(['base.lotr.safetensors']);
    expect(readdirSync(at('run'))).toEqual(['base.lotr.onnx']);
  });

  test('with --weights link refer to the base alone, and say where that works', async () => {
    const model = join(import.meta.dirname, '../data/cases/train/gpt2c.onnx');
    copyFileSync(model, at('gpt.onnx'));
    await lotrc('rewrite', at('gpt.onnx'), '--rank', '9', '-o', at('sub/a.onnx'));
    const { code } = await lotrc('apply', at('gpt.onnx'), at('sub/a.safetensors'), '--weights', 'link');
    expect(code).toBe(0);
    const written = readFileSync(at('gpt.lotr.onnx'));
    expect(written.includes('gpt.onnx')).toBe(true);
    expect(written.includes('a.safetensors')).toBe(false);
    const refused = await lotrc(
      ...['apply', at('gpt.onnx'), at('sub/a.safetensors'), '--weights', 'link', '-o', at('sub/b.onnx')],
    );
    expect(refused.err).toContain('LOTR1203');
    expect(refused.err).toContain(`-o ${at('b.onnx')}`);
  });

  test('are not made of a model whose data file is missing; the plan can be printed without it', async () => {
    copyFileSync(join(import.meta.dirname, '../data/cases/train/gpt2c.onnx'), at('weights.onnx'));
    await lotrc('rewrite', at('weights.onnx'), '--rank', '2', '--weights', 'link', '-o', at('adapted.onnx'));
    await lotrc('strip', at('adapted.onnx'), '-o', at('model.onnx'));
    const planned = await lotrc('rewrite', at('model.onnx'), '--rank', '3', '-o', at('whole.onnx'));
    expect(planned.code).toBe(0);
    rmSync(at('weights.onnx'));
    const before = readdirSync(folder).sort();
    for (const command of [
      ['rewrite', at('model.onnx'), '--rank', '3', '-o', at('new.onnx')],
      ['apply', at('model.onnx'), at('adapted.safetensors'), '-o', at('new.onnx')],
      ['merge', at('adapted.onnx')],
      ['emit', 'onnx-train', at('adapted.onnx'), '-o', at('train')],
      ['run', at('model.onnx'), '--passes', 'select-sites{without-data=true},insert-adapters'],
    ]) {
      const { code, err } = await lotrc(...command);
      expect({ code, err }).toEqual({
        code: 1,
        err: expect.stringMatching(/LOTR1102|LOTR3301.*without the weights/s),
      });
    }
    const { code, out } = await lotrc('rewrite', at('model.onnx'), '--rank', '3', '--without-data');
    expect(code).toBe(0);
    const table = planned.out.slice(0, planned.out.indexOf('wrote'));
    expect(out).toBe(`${table}planned without the weights: nothing was written\n`);
    const both = await lotrc(
      'rewrite',
      at('model.onnx'),
      '--rank',
      '3',
      '--without-data',
      '-o',
      at('a.onnx'),
    );
    expect(both).toMatchObject({ code: 2, err: expect.stringContaining('leave -o and --adapter out') });
    expect(readdirSync(folder).sort()).toEqual(before);
  });

  test('may not be one file, nor text where weights are needed', async () => {
    const same = await lotrc(
      'rewrite',
      base,
      '--rank',
      '2',
      '--target',
      'proj',
      '-o',
      at('x.onnx'),
      '--adapter',
      at('x.onnx'),
    );
    expect(same).toMatchObject({ code: 2, err: expect.stringContaining('two outputs would go to') });
    const text = await lotrc('rewrite', base, '--rank', '2', '--target', 'proj', '-o', at('x.onnxtxt'));
    expect(text).toMatchObject({ code: 2, err: expect.stringContaining('has no weights') });
  });

  test.skipIf(process.getuid?.() === 0)('refuse a folder that may not be written', async () => {
    chmodSync(folder, 0o555);
    const { code, err } = await lotrc('rewrite', base, '--rank', '2', '--target', 'proj');
    chmodSync(folder, 0o755);
    expect({ code, left: existsSync(at('base.lotr.onnx')) }).toEqual({ code: 1, left: false });
    expect(err).toContain('LOTR1201');
  });
});

describe('commands', () => {
  test('print gives text that every command reads', async () => {
    const { out } = await lotrc('print', base);
    expect(printModel(parseModel(out, at('base.onnxtxt')))).toBe(out);
    expect((await lotrc('print', base, '-o', at('copy.onnxtxt'))).code).toBe(0);
    const fromText = await lotrc('inspect', at('copy.onnxtxt'), '--json');
    expect(fromText).toEqual(await lotrc('inspect', base, '--json'));
  });

  test('print -o does not write over its input', async () => {
    writeFileSync(at('m.onnxtxt'), TEXT);
    expect(await lotrc('print', at('m.onnxtxt'), '-o', at('m.onnxtxt'))).toMatchObject({
      code: 1,
      err: expect.stringContaining('LOTR1202'),
    });
    expect(readFileSync(at('m.onnxtxt'), 'utf8')).toBe(TEXT);
  });

  test('rewrite --json, --time and --print-ir-after keep report and trace apart', async () => {
    const { code, out, err } = await lotrc(
      'rewrite',
      base,
      '--rank',
      '2',
      '--target',
      'proj',
      '--json',
      '--time',
      '--print-ir-after',
      'insert-adapters',
    );
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      version: 1,
      method: 'lotr',
      layers: 1,
      trainable: 18,
      lora: 14,
      groups: [{ id: '3x4', in: 3, out: 4, rank: 2, scale: 1, layers: [{ module: 'proj' }] }],
      files: [{ path: at('base.lotr.onnx') }, { path: at('base.lotr.safetensors') }],
    });
    expect(err).toMatch(/ms {2}insert-adapters/);
    expect(err).toContain('# after insert-adapters');
    expect(err).toContain('lotrc.LoTRLinear');
    expect(err).not.toContain('# after lower');
  });

  test('methods lists every adapter method, and prints one as --method takes it', async () => {
    const all = JSON.parse((await lotrc('methods', '--json')).out) as { methods: { method: string }[] };
    expect(all.methods.map(({ method }) => method)).toEqual([...METHODS.keys()]);
    expect((await lotrc('methods')).out.split('\n').length).toBe(METHODS.size + 2);
    const printed = [...METHODS.values()].map(async (spec) => {
      const { out } = await lotrc('methods', spec.method);
      expect(readDescription(JSON.parse(out), spec.method)).toEqual(spec);
      expect(out.trimEnd().split('\n').length).toBeLessThanOrEqual(25);
    });
    await Promise.all(printed);
    expect(await lotrc('methods', 'veera')).toMatchObject({ code: 2, err: expect.stringContaining('vera') });
  });

  test('passes and explain list everything, also as JSON', async () => {
    const passes = JSON.parse((await lotrc('passes', '--json')).out) as {
      passes: { name: string; options: { name: string }[] }[];
    };
    const select = passes.passes.find(({ name }) => name === 'select-sites')!;
    expect(select.options.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['rank', 'target', 'share']),
    );
    expect((await lotrc('passes', 'select-sites')).out).toContain('rank  rank of the adapters  [default 8]');
    const codes = JSON.parse((await lotrc('explain', '--json')).out) as { codes: { code: string }[] };
    expect(codes.codes.map(({ code }) => code)).toContain('LOTR3006');
    expect((await lotrc('explain', '3006')).out).toMatch(
      /^error LOTR3006: the rank is larger than the layer\n\n/,
    );
    expect((await lotrc('explain')).out.split('\n').length).toBe(codes.codes.length + 1);
  });
});

describe('the built program', () => {
  test.each([
    ['explain --json', 'head -c 10'],
    // the reader is gone before the first byte
    ['print test/data/cases/train/gpt2c.onnx -o -', 'exec <&-; sleep 3'],
  ])('`%s` ends quietly when the reader of its output goes away', (words, reader) => {
    const { stderr, status } = spawnSync(
      'bash',
      ['-c', `set -o pipefail; "${process.execPath}" "${PROGRAM}" ${words} | (${reader})`],
      { encoding: 'utf8', cwd: join(import.meta.dirname, '../..') },
    );
    expect({ stderr, status }).toEqual({ stderr: '', status: 0 });
  });

  test.each([
    [{}, false],
    [{ FORCE_COLOR: '1' }, true],
    [{ NO_COLOR: '1' }, false],
  ])('has colours where it is told to with %j, and else none in a pipe', (wanted, coloured) => {
    const { FORCE_COLOR: _force, NO_COLOR: _no, ...env } = process.env;
    const words = ['rewrite', base, '--rank', '99', '--target', 'proj'];
    const { stdout, stderr, status } = spawnSync(process.execPath, [PROGRAM, ...words], {
      encoding: 'utf8',
      env: { ...env, ...wanted },
    });
    expect(status).toBe(1);
    expect(stderr.includes('\u001b[')).toBe(coloured);
    expect(stdout).toBe('');
  });
});

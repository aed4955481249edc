import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { main } from '../../cli/program.js';
import { Reporter } from '../../cli/reporter.js';
import type { Diagnostic } from '../../src/ir/diagnostics.js';
import { command, lotrc } from '../support/cli.js';

/** What users of other command lines expect. */

const BASE = join(import.meta.dirname, '../data/cases/train/gpt2c.onnx');
const root = mkdtempSync(join(tmpdir(), 'lotrc-habits-'));
const at = (...parts: readonly string[]) => join(root, ...parts);
beforeAll(async () => {
  mkdirSync(at('hub/onnx'), { recursive: true });
  copyFileSync(BASE, at('hub/onnx/model.onnx'));
  await lotrc('rewrite', BASE, '--rank', '2', '--target', 'c_attn', '-o', at('base.lotr.onnx'));
  await lotrc('emit', 'onnx-train', at('base.lotr.onnx'), '-o', at('kept-emitonnx-train'));
});
afterAll(() => rmSync(root, { recursive: true }));

describe('a folder in place of a model', () => {
  test('is the model with a usual name in it, and then what rewrite wrote', async () => {
    const rewritten = await lotrc(
      'rewrite',
      at('hub'),
      '--rank',
      '2',
      '--target',
      'c_attn',
      '-o',
      at('new/out/'),
    );
    expect(rewritten).toMatchObject({ code: 0, err: '' });
    expect(existsSync(at('new/out/model.lotr.onnx'))).toBe(true);
    expect(await lotrc('merge', at('new/out'))).toMatchObject({
      code: 0,
      out: expect.stringContaining('2 layers'),
    });
    expect(existsSync(at('new/out/model.lotr.merged.onnx'))).toBe(true);
  });

  test('must say which one', async () => {
    mkdirSync(at('two'));
    for (const name of ['a.onnx', 'b.onnx']) copyFileSync(BASE, at('two', name));
    const { code, err } = await lotrc('inspect', at('two'));
    expect(code).toBe(1);
    expect(err).toMatch(/LOTR8308: the folder holds several models: .*a\.onnx, .*b\.onnx\n/);
  });
});

describe('the command is looked up first', () => {
  test.each([
    [['rewrit', 'm.onnx', '--rank', '8'], "unknown command 'rewrit'", 'did you mean rewrite?'],
    [['emit', 'wgls', 'm.onnx'], "unknown command 'emit wgls'", 'did you mean wgsl?'],
    [['help', 'meger'], "unknown command 'meger'", 'did you mean merge?'],
    [['xyzzy'], "unknown command 'xyzzy'", '`lotrc --help` lists commands and options'],
    [['rewrite', 'm.onnx', '--rnk', '8'], "unknown option '--rnk'", 'did you mean --rank?'],
    [['-q'], 'a command is missing after -q', '`lotrc --help` lists commands and options'],
  ])('%j', async (words, problem, hint) => {
    expect(await command(words)).toEqual({
      code: 2,
      out: '',
      err: `error LOTR8001: ${problem}\n  hint: ${hint}\n`,
    });
  });

  test('help X is X --help, a group shows its commands, and -V is --version', async () => {
    expect(await command(['help', 'emit', 'wgsl'])).toEqual(await command(['emit', 'wgsl', '--help']));
    expect(await command(['help'])).toEqual(await command(['--help']));
    expect(await command(['emit'])).toMatchObject({
      code: 0,
      err: '',
      out: expect.stringContaining('onnx-train'),
    });
    expect(await command(['-V'])).toEqual(await command(['--version']));
  });

  test('options of every command may come before it, and values may begin with dashes', async () => {
    const before = await command(['--diagnostics', 'json', 'inspect', at('none.onnx')]);
    expect(JSON.parse(before.err)).toMatchObject({ diagnostics: [{ code: 'LOTR1002' }] });
    const value = await command(['run', at('hub'), '--passes', '--x']);
    expect(value).toMatchObject({ code: 1, err: expect.not.stringContaining('unknown option') });
  });
});

describe('how much is said', () => {
  const onTerminal = async (...argv: readonly string[]) => {
    let [out, err] = ['', ''];
    const io = {
      out: (text: string) => {
        out += text;
      },
      err: (text: string) => {
        err += text;
      },
      coloured: (colour: string, text: string) => `<${colour}>${text}</>`,
      terminal: true,
    };
    return { code: await main(argv, io), out, err };
  };
  const output = ['-o', at('said/')];

  test('a terminal has colours and the next command', async () => {
    const { out, err } = await onTerminal('rewrite', at('hub'), '--rank', '2', ...output);
    expect(out).toContain('wrote ');
    expect(err).toMatch(
      /^<cyan>remark LOTR3026:<\/> .*\n {2}hint: .*\nnext: lotrc emit onnx-train .*model\.lotr\.onnx/,
    );
    const { err: json } = await onTerminal(
      'rewrite',
      at('hub'),
      '--rank',
      '2',
      ...output,
      '--diagnostics=json',
    );
    expect(JSON.parse(json)).toMatchObject({ diagnostics: [{ code: 'LOTR3026' }] });
  });

  test('--quiet leaves errors and results, --verbose adds what a code means', async () => {
    const words = ['rewrite', at('hub'), '--rank', '2', ...output];
    expect(await onTerminal(...words, '--quiet')).toEqual({ code: 0, out: '', err: '' });
    expect((await onTerminal(...words, '-q', '--time')).err).toMatch(/^ +[\d.]+ ms {2}verify /);
    expect((await onTerminal('-q', 'inspect', at('hub'))).out).toContain('linear layers');
    expect((await onTerminal('-q', 'inspect', at('none.onnx'))).err).toContain('LOTR1002');
    const { err } = await lotrc(...words, '-v');
    expect(err).toMatch(/^remark LOTR3026: .*\n {2}hint: .*\n(?: {2}\| .*\n)+$/);
  });

  test('many equal diagnostics are one, with the first places; JSON and --verbose have all', () => {
    const list = Array.from(
      { length: 20 },
      (_, k): Diagnostic => ({
        code: 'LOTR2001',
        severity: 'error',
        message: `value "${k}" is defined twice`,
        at: { kind: 'value', name: `v${k}` },
        hint: 'rename it',
      }),
    );
    const other: Diagnostic = { code: 'LOTR2002', severity: 'warning', message: 'another' };
    const said = (level: 'usual' | 'verbose') => {
      let text = '';
      const io = { out: () => undefined, err: (part: string) => void (text += part) };
      new Reporter(io, 'text', level).report([list[0]!, other, ...list.slice(1)]);
      return text;
    };
    expect(said('usual')).toBe(
      'error LOTR2001: value "0" is defined twice\n  --> value "v0"\n' +
        '  note: 19 more LOTR2001: "v1", "v2", "v3", ...; --verbose shows all\n  hint: rename it\n' +
        'warning LOTR2002: another\n',
    );
    expect(said('verbose').match(/error LOTR2001/g)).toHaveLength(20);
  });
});

describe('files that are there', () => {
  test('are said to be replaced, in text and not in JSON', async () => {
    const words = ['rewrite', at('hub'), '--rank', '2', '-o', at('twice/')];
    const lines = async () => (await lotrc(...words)).out.match(/^(?:wrote|replaced)/gm);
    expect(await lines()).toEqual(['wrote', 'wrote']);
    expect(await lines()).toEqual(['replaced', 'replaced']);
    const { files } = JSON.parse((await lotrc(...words, '--json')).out) as { files: object[] };
    expect(files.map((file) => Object.keys(file))).toEqual([
      ['path', 'bytes'],
      ['path', 'bytes'],
    ]);
  });

  test.each<readonly string[]>([
    ['rewrite', 'hub', '--rank', '2', '-o'],
    ['merge', 'base.lotr.onnx', '-o'],
    ['strip', 'base.lotr.onnx', '-o'],
    ['extract', 'base.lotr.onnx', '-o'],
    ['apply', 'hub', 'base.lotr.safetensors', '-o'],
    ['print', 'hub', '-o'],
    ['run', 'hub', '--passes', 'dce', '-o'],
    ['emit', 'onnx-train', 'base.lotr.onnx', '-o'],
    ['emit', 'cuda', 'base.lotr.onnx', '--tokens', '16', '-o'],
  ])('%s %s stay with --no-clobber', async (...words) => {
    const target = at(`kept-${words[0]}${words[1]}`);
    const end = words[0] === 'emit' ? '' : words[0] === 'extract' ? '.safetensors' : '.onnx';
    const line = [...words.map((word) => (existsSync(at(word)) ? at(word) : word)), `${target}${end}`];
    if (!existsSync(target)) expect((await lotrc(...line, '--no-clobber')).code).toBe(0);
    const again = await lotrc(...line, '--no-clobber');
    expect(again).toMatchObject({ code: 1, out: '', err: expect.stringContaining('error LOTR1206') });
    if (words[0] !== 'emit') expect((await lotrc(...line)).code).toBe(0);
  });
});

test('build, check, init, train and tune replace nothing with --no-clobber', async () => {
  const folder = at('whole');
  mkdirSync(join(folder, 'dist'), { recursive: true });
  copyFileSync(BASE, join(folder, 'net.onnx'));
  const config = join(folder, 'lotrc.config.json');
  const outputs = ['adapter'];
  const models = { net: { input: 'net.onnx', rewrite: { rank: 2, targets: ['c_attn'] }, outputs } };
  writeFileSync(config, JSON.stringify({ models }));
  const output = join(folder, 'dist/net.safetensors');
  writeFileSync(output, 'mine');
  const place = ['--config', config, '--cache', join(folder, 'cache')];
  const kept = { code: 1, err: expect.stringContaining('error LOTR1206') };
  expect(await command(['build', ...place, '--no-clobber'])).toMatchObject(kept);
  expect(readFileSync(output, 'utf8')).toBe('mine');
  rmSync(output);
  expect((await command(['build', ...place, '--no-clobber'])).code).toBe(0);
  // what is up to date is not replaced
  expect((await command(['build', ...place, '--no-clobber'])).code).toBe(0);
  mkdirSync(join(folder, 'golden'));
  const golden = join(folder, 'golden/net.safetensors.txt');
  writeFileSync(golden, 'mine');
  expect(await command(['check', ...place, '--update', '--no-clobber'])).toMatchObject(kept);
  expect(readFileSync(golden, 'utf8')).toBe('mine');

  const both = await command(['init', join(folder, 'net.onnx'), '-o', config, '--force', '--no-clobber']);
  expect(both).toMatchObject({ code: 2, err: expect.stringContaining('--no-clobber') });
  const run = join(folder, 'run');
  mkdirSync(run);
  writeFileSync(join(run, 'adapter.safetensors'), 'mine');
  const data = ['--data', join(BASE, '../sent.jsonl'), '--no-clobber', '-o'];
  expect(await command(['train', at('kept-emitonnx-train'), ...data, run])).toMatchObject(kept);
  expect((await command(['train', run, '--resume', '--no-clobber'])).code).toBe(2);
  writeFileSync(join(folder, 'net.lotr.onnx'), 'mine');
  expect(await command(['tune', join(folder, 'net.onnx'), ...data, folder])).toMatchObject(kept);
});

describe('stdin and stdout in place of files', () => {
  test('hold a model, and then stdout has nothing else', () => {
    const program = resolve(import.meta.dirname, '../../dist/cli/main.js');
    const input = readFileSync(at('base.lotr.onnx'));
    const { stdout, stderr, status } = spawnSync(process.execPath, [program, 'strip', '-', '-o', '-'], {
      input,
    });
    expect({ status, said: stderr.toString() }).toEqual({
      status: 0,
      said: `wrote - (${stdout.length} bytes)\n`.replace(/\d+/, (n) => Number(n).toLocaleString('en-US')),
    });
    expect(stdout.equals(readFileSync(BASE))).toBe(true);
  });

  test('take the text of a model and its factors', async () => {
    const parts: Uint8Array[] = [];
    let err = '';
    const io = {
      out: () => {
        throw new Error('stdout has the file');
      },
      err: (text: string) => {
        err += text;
      },
      bytes: (chunk: Uint8Array) => void parts.push(chunk),
    };
    expect(await main(['extract', at('base.lotr.onnx'), '-o', '-', '--json'], io)).toBe(0);
    expect(Buffer.concat(parts).equals(readFileSync(at('base.lotr.safetensors')))).toBe(true);
    expect(JSON.parse(err)).toMatchObject({ files: [{ path: '-' }] });
    parts.length = 0;
    expect(await main(['print', BASE, '-o', '-'], io)).toBe(0);
    expect(Buffer.concat(parts).toString()).toBe((await lotrc('print', BASE)).out);
  });

  test.each([
    [['rewrite', BASE, '--rank', '2', '-o', '-'], /give --adapter FILE/],
    [['emit', 'onnx-train', 'base.lotr.onnx', '-o', '-'], /-o names a folder/],
    [['emit', 'cuda', 'base.lotr.onnx', '-o', '-'], /-o names a folder/],
  ])('%j is refused', async (words, said) => {
    const line = words.map((word) => (word === 'base.lotr.onnx' ? at(word) : word));
    expect(await lotrc(...line)).toMatchObject({ code: 2, err: expect.stringMatching(said) });
  });
});

describe('several models', () => {
  test('are done one after the other, into one folder', async () => {
    const [a, b] = [at('hub'), at('other.onnx')];
    copyFileSync(BASE, b);
    const { code, out } = await lotrc('rewrite', a, b, '--rank', '2', '-o', at('many/'));
    expect(code).toBe(0);
    expect(out.match(/^.*\.onnx:$/gm)).toEqual([`${at('hub/onnx/model.onnx')}:`, `${b}:`]);
    for (const name of ['model.lotr.onnx', 'other.lotr.safetensors'])
      expect(existsSync(at('many', name))).toBe(true);
    expect((await lotrc('inspect', a, b)).out.match(/linear layers?, /g)).toHaveLength(2);
  });

  test.each([
    [['-o', 'one.onnx'], /-o must be a folder for several models/],
    [['-o', 'one/'], /two models are called gpt2c\.onnx/],
    [['--adapter', 'x.safetensors'], /--adapter is of one model/],
    [['--json'], /--json is the report on one model/],
  ])('share no %j', async (words, said) => {
    expect(await lotrc('rewrite', BASE, BASE, '--rank', '2', ...words)).toMatchObject({
      code: 2,
      err: expect.stringMatching(said),
    });
  });
});

describe('files of another kind', () => {
  const POINTER = 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n';
  const directory = () => at('kept-emitonnx-train');
  const inPlace = async (words: readonly string[]) => {
    writeFileSync(at('pointer.jsonl'), POINTER);
    return lotrc(...words.map((word) => (word === 'POINTER' ? at('pointer.jsonl') : word)));
  };

  test('are named with what to do, whatever was to be read', async () => {
    const said = 'Git LFS pointer, not the file itself';
    const data = ['train', directory(), '--tokenizer', 'POINTER', '--data', join(BASE, '../sent.jsonl')];
    const tokenizer = [
      'train',
      directory(),
      '--data',
      'POINTER',
      '--tokenizer',
      join(BASE, '../gpt2tok.json'),
    ];
    for (const words of [['inspect', 'POINTER'], ['apply', at('hub'), 'POINTER'], data, tokenizer]) {
      const { code, err } = await inPlace(words);
      expect({ code, words, err }).toMatchObject({ code: 1, err: expect.stringContaining(said) });
      expect(err).toContain('run `git lfs pull` in the repository');
    }
    expect(existsSync(join(directory(), 'run'))).toBe(false);
  });

  test('also where they are folders', async () => {
    mkdirSync(at('net.mlpackage'));
    for (const path of [at('net.mlpackage'), `${at('net.mlpackage')}/`]) {
      const { code, err } = await lotrc('rewrite', path, '--rank', '2');
      expect({ code, err }).toMatchObject({ code: 1, err: expect.stringContaining('a Core ML model') });
      expect(err).toContain('export the model with torch.onnx.export');
    }
  });
});

describe('completion', () => {
  const script = async (shell: string) => (await command(['completion', shell])).out;
  const has = (program: string) => spawnSync(program, ['--version']).status === 0;

  test('in bash offers commands, those of a group, options, and their values', async () => {
    const lines: readonly (readonly [string, string, string])[] = [
      ['lotrc rewr', 'rewrite', 'merge'],
      ['lotrc emit w', 'wgsl', 'cuda'],
      ['lotrc rewrite --fac', '--factors', '--rank'],
      ['lotrc rewrite --factors ', 'optional', 'lotr'],
      ['lotrc emit onnx-train m.onnx --optimizer ', 'muon', '--ep'],
      ['lotrc help mer', 'merge', 'rewrite'],
      ['lotrc train --qui', '--quiet', '--data'],
    ];
    const asks = lines.map(([line]) => {
      const words = line.split(' ').map((word) => `'${word}'`);
      return `COMP_WORDS=(${words.join(' ')}); COMP_CWORD=${words.length - 1}; _lotrc; echo "\${COMPREPLY[*]}"`;
    });
    const { stdout, stderr } = spawnSync('bash', ['-c', `${await script('bash')}\n${asks.join('\n')}`], {
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    const offered = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' '));
    for (const [k, [line, wanted, other]] of lines.entries()) {
      expect(offered[k], line).toContain(wanted);
      expect(offered[k], line).not.toContain(other);
    }
  });

  test.each(['zsh', 'fish'])('for %s has every command and is a script that it reads', async (shell) => {
    const text = await script(shell);
    for (const word of ['rewrite', 'onnx-train', 'wgsl', 'factors', 'embedded inputs optional'])
      expect(text).toContain(word);
    writeFileSync(at(`completion.${shell}`), text);
    if (has(shell))
      expect(spawnSync(shell, ['-n', at(`completion.${shell}`)], { encoding: 'utf8' })).toMatchObject({
        status: 0,
        stderr: '',
      });
  });

  test('of another shell is refused', async () => {
    expect(await command(['completion', 'csh'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('bash, zsh, fish'),
    });
  });
});

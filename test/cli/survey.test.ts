import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { surveyFile } from '../../cli/dev/survey/file.js';
import { type Checked, checkGradient } from '../../cli/dev/survey/gradient-check.js';
import type { SurveyRow } from '../../cli/dev/survey/row.js';
import { supervise } from '../../cli/dev/survey/supervise.js';
import { faults, refusals, surveySummary, surveyTable } from '../../cli/dev/survey/table.js';
import { makeInputs } from '../../src/backends/ort/inputs.js';
import { OrtProcess } from '../../src/backends/ort/process.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import type { Signature } from '../../src/train/signature.js';
import { allOrFirst } from '../support/everything.js';
import { oracles } from '../support/oracle.js';
import { type Emission, emitOracle } from '../support/training.js';

const ROOT = resolve(import.meta.dirname, '../..');
let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'lotrc-test-survey-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Cells as text: the code where there is one, and no numbers that depend on the machine. */
function plain(row: SurveyRow): Record<string, string> {
  return Object.fromEntries(
    Object.entries(row).map(([column, { kind, code, text }]) => [
      column,
      kind === 'yes' ? text.replace(/within \d\.\de-\d+/, 'within') : `${kind} ${code ?? text}`,
    ]),
  );
}

const GOOD = { loads: 'yes', 'round trip': 'same bytes' };
const TRAINED = { ...GOOD, 'equals base': 'bit for bit', trains: 'gradient within (cross-entropy)' };
const NONE = { ...GOOD, sites: '0', rewrites: 'refused LOTR3001' };

describe('the models of this repository', () => {
  test.each([
    ...allOrFirst([
      ['test/data/oracle/bert.dynamo.onnx', { ...TRAINED, sites: '20', rewrites: '19 sites' }],
      ['models/charlm/charlm.onnx', { ...TRAINED, sites: '25', rewrites: '24 sites' }],
      ['test/data/oracle/bert.ts.onnx', { ...TRAINED, sites: '20', rewrites: '19 sites' }],
      ['test/data/oracle/gpt2.ts.onnx', { ...TRAINED, sites: '13', rewrites: '12 sites' }],
      ['test/data/oracle/llama.dynamo.onnx', { ...TRAINED, sites: '22', rewrites: '21 sites' }],
    ] as const),
    ['test/data/text/trt.nested_local_function.onnx', { ...NONE, 'round trip': 'stable' }],
    ...allOrFirst([
      ['test/data/text/trt.sparse_nnz.onnx', NONE],
      ['test/data/text/burn.all_dtypes.onnx', NONE],
      ['test/data/text/burn.nested_if_loop_if_scan.onnx', NONE],
      ['test/data/text/trt.unsorted.onnx', { ...NONE, 'round trip': 'stable' }],
    ] as const),
  ] as const)('%s', async (file, expected) => {
    expect(plain(await surveyFile(join(ROOT, file)))).toEqual(expected);
  });

  test('a file that is not a model', async () => {
    const path = join(scratch, 'no.onnx');
    writeFileSync(path, 'no model at all');
    const { loads, ...others } = await surveyFile(path);
    expect(loads?.kind).toBe('refused');
    expect(others).toEqual({});
  });
});

describe('limits', () => {
  const program = (text: string): string => {
    const path = join(mkdtempSync(join(scratch, 'program-')), 'program.mjs');
    writeFileSync(path, text);
    return path;
  };
  const roomy = { seconds: 30, bytes: 2 ** 40 };

  test('a process that ends well', async () => {
    const { stdout, trouble } = await supervise(program('console.log(process.argv[2])'), ['word'], roomy);
    expect([stdout, trouble]).toEqual(['word\n', null]);
  });

  test('a process that fails and one that is killed', async () => {
    expect((await supervise(program('process.exit(3)'), [], roomy)).trouble).toBe('exit code 3');
    const killed = await supervise(program("process.kill(process.pid, 'SIGSEGV')"), [], roomy);
    expect(killed.trouble).toBe('ended by SIGSEGV');
  });

  test('a process that hangs is ended, and its children with it', async () => {
    // the child holds the pipe: the answer comes only when it has ended too
    const text = `
      import { spawn } from 'node:child_process';
      spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' });
      setInterval(() => {}, 1000);`;
    const { trouble } = await supervise(program(text), [], { ...roomy, seconds: 2 });
    expect(trouble).toBe('not done after 2 s');
  });

  test.runIf(process.platform === 'linux')('a process that takes too much memory', async () => {
    const text = 'globalThis.held = Buffer.alloc(400 << 20, 1); setInterval(() => {}, 1000);';
    const { trouble } = await supervise(program(text), [], { ...roomy, bytes: 300 << 20 });
    expect(trouble).toMatch(/^took [34]\d\d MiB$/);
  });

  test('what was being asked when the process ended is the fault', async () => {
    const row = await surveyFile(join(ROOT, 'test/data/oracle/bert.ts.onnx'), { ...roomy, bytes: 1 });
    const cells = Object.values(row);
    expect(cells.at(-1)).toMatchObject({ kind: 'fault' });
    expect(cells.slice(0, -1).every(({ kind }) => kind === 'yes')).toBe(true);
  });
});

describe('gradients against differences', () => {
  const oracle = oracles().find(({ name }) => name === 'bert.ts')!;
  const host = new OrtProcess();
  afterAll(() => host.close());
  let emission: Emission;
  beforeAll(() => {
    emission = emitOracle(oracle, scratch, { logits: oracle.description.logits });
  });

  /** The check with the gradients of a signature that says what `change` makes of it. */
  async function checked(change: (signature: Signature) => Signature): Promise<Checked> {
    const { folder, signature } = emission;
    const batch = Object.fromEntries(makeInputs(readModel(oracle.path), { seed: 1 }));
    const of = { folder, signature: change(signature), batch, logits: oracle.description.logits };
    return checkGradient(of, host, 1);
  }

  test('right ones agree', async () => {
    const { relative, spread, random } = await checked((signature) => signature);
    expect(relative).toBeLessThan(1e-3);
    expect(spread).toBeLessThan(1e-3);
    expect(random).toBe(false);
  });

  test('two gradients exchanged do not, and the differences leave no doubt', async () => {
    const { relative, spread } = await checked((signature) => {
      const { grad } = signature.graphs;
      const cores = signature.params.filter(({ factor }) => factor === 'M').map(({ name }) => name);
      const swapped = new Map(cores.map((name, i) => [name, cores.at(i - 1)!]));
      const outputs = grad!.outputs.map((port) =>
        swapped.has(port.param ?? '') ? { ...port, param: swapped.get(port.param!)! } : port,
      );
      return { ...signature, graphs: { ...signature.graphs, grad: { ...grad!, outputs } } };
    });
    expect(relative).toBeGreaterThan(1e-2);
    expect(spread).toBeLessThan(1e-3);
  });
});

describe('tables', () => {
  const files = [
    { file: 'a.onnx', row: { loads: { kind: 'yes', text: 'yes' }, trains: { kind: 'fault', text: 'a|b' } } },
    {
      file: 'b.onnx',
      row: { loads: { kind: 'refused', code: 'LOTR1101', text: 'the\nreason of "b"', hint: 'the hint' } },
    },
    { file: 'c.onnx', row: { loads: { kind: 'refused', code: 'LOTR1101', text: 'another' } } },
    { file: 'd.onnx', row: { loads: { kind: 'refused', code: 'LOTR1101', text: 'the\nreason of "d"' } } },
  ] as const;

  test('rows', () => {
    expect(surveyTable(files).split('\n').slice(2)).toEqual([
      '| a.onnx | yes | - | - | - | - | FAULT: a\\|b |',
      '| b.onnx | LOTR1101: the reason of "b" | - | - | - | - | - |',
      '| c.onnx | LOTR1101: another | - | - | - | - | - |',
      '| d.onnx | LOTR1101: the reason of "d" | - | - | - | - | - |',
    ]);
  });

  test('summary and refusals', () => {
    expect(faults(files)).toBe(1);
    expect(surveySummary(files)).toContain('4 files, 1 with a fault.');
    expect(surveySummary(files)).toContain('| loads | 4 | 1 | 3 | 0 |');
    expect(surveySummary(files)).toContain('| trains | 1 | 0 | 0 | 1 |');
    expect(refusals(files).split('\n').slice(2)).toEqual([
      '| loads | LOTR1101 | 2 | b.onnx | the reason of "b" | the hint |',
      '| loads | LOTR1101 | 1 | c.onnx | another |  |',
    ]);
  });
});

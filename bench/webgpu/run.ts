import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { median } from '../../cli/bench/turns.js';
import { writeModel } from '../../src/ir/onnx/writer.js';
import { tensorType } from '../../src/ir/shape.js';
import { answerOf } from '../gpu/browser.js';
import { bundledScript, servedFiles } from '../gpu/bundle-page.js';
import { lotrc } from '../lotrc.js';
import { RandomModel } from '../models.js';
import { alignedTable } from '../table.js';

/**
 * `npm run bench:webgpu`: the linear layers of a Llama-like block as emitted kernels, and in ONNX Runtime Web with and without their
 * adapters, in turns on one device: dispatches, the bytes that they bind, and times as ratios.
 */
const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '1,64,128' },
    width: { type: 'string', default: '256' },
    rank: { type: 'string', default: '8' },
    device: { type: 'string', default: 'webgpu-laptop' },
    repeat: { type: 'string', default: '5' },
    runs: { type: 'string', default: '3' },
    chromium: { type: 'string' },
  },
});
const ROOT = join(import.meta.dirname, '../../..');
const numbersOf = (text: string, what: string): readonly number[] => {
  const list = text.split(',').map(Number);
  if (!list.every((one) => Number.isInteger(one) && one > 0))
    throw new Error(`--${what} takes whole numbers from 1 on, not ${text}`);
  return list;
};
const [width] = numbersOf(values.width, 'width') as [number];
const [rank] = numbersOf(values.rank, 'rank') as [number];
const [repeat] = numbersOf(values.repeat, 'repeat') as [number];
const [runs] = numbersOf(values.runs, 'runs') as [number];

/** An input of the block, and the outputs of the layers that read it, by their module paths. */
interface BlockInput {
  readonly name: string;
  readonly width: number;
  readonly outputs: Readonly<Record<string, string>>;
}

/** Writes the linear layers of a block. What is between them is left out: each input is one of the model. */
function writeBlock(path: string): readonly BlockInput[] {
  const [keys, inner] = [width / 4, 4 * Math.round((width * 11) / 16)];
  const net = new RandomModel();
  const inputs = (
    [
      ['normed', width, { 'self_attn.q_proj': width, 'self_attn.k_proj': keys, 'self_attn.v_proj': keys }],
      ['attended', width, { 'self_attn.o_proj': width }],
      ['normed_again', width, { 'mlp.gate_proj': inner, 'mlp.up_proj': inner }],
      ['activated', inner, { 'mlp.down_proj': width }],
    ] as const
  ).map(([name, columns, layers]): BlockInput => {
    const x = net.graph.addInput(name, tensorType('f32', ['tokens', columns]));
    const outputs = Object.entries(layers).map(([layer, out]) => {
      const path = `model.layers.0.${layer}`;
      const y = net.linear(x, path, columns, out);
      net.graph.addOutput(y);
      y.setType(tensorType('f32', ['tokens', out]));
      return [path, y.name] as const;
    });
    return { name, width: columns, outputs: Object.fromEntries(outputs) };
  });
  writeModel(net.model, path);
  return inputs;
}

interface Column {
  readonly who: string;
  readonly error: number;
  /** seconds of a run */
  readonly times: readonly number[];
  /** of all runs of a turn */
  readonly counts: Readonly<Record<'dispatches' | 'submissions' | 'workgroups' | 'bytes', number>>;
}

const folder = mkdtempSync(join(tmpdir(), 'lotrc-bench-webgpu-'));
try {
  const [base, adapted] = ['base.onnx', 'adapted.onnx'];
  const inputs = writeBlock(join(folder, base));
  const layers = ['--target', '_proj$', '--rank', `${rank}`, '--init', 'svd'];
  lotrc('rewrite', join(folder, base), ...layers, '-o', join(folder, adapted));
  const devices = values.device.split(',');
  const folders: string[] = [];
  const cases = numbersOf(values.rows, 'rows').map((rows) => ({
    rows,
    inputs,
    columns: [
      { who: 'ONNX Runtime, layers alone', model: `/${base}` },
      { who: 'ONNX Runtime, with adapters', model: `/${adapted}` },
      ...devices.map((device, k) => {
        const own = `kernels-${rows}-${k}`;
        const how = ['--for', 'serve', '--tokens', `${rows}`, '--device', device, '--segments'];
        lotrc('emit', 'wgsl', join(folder, adapted), '-o', join(folder, own), ...how);
        const module = folders.push(own) - 1;
        return { who: `kernels for ${device}`, module, folder: `/${own}` };
      }),
    ],
  }));
  const entry = join(folder, 'modules.ts');
  writeFileSync(
    entry,
    `${folders.map((own, k) => `import * as m${k} from './${own}/index.js';`).join('\n')}
export const modules = [${folders.map((_, k) => `m${k}`).join(', ')}];\n`,
  );
  const page = join(ROOT, 'bench/webgpu/page.mjs');
  const script = await bundledScript(ROOT, page, { 'emitted-modules': entry });
  const how = values.chromium
    ? { browser: values.chromium }
    : { open: (address: string) => console.log(`open ${address} in the browser to be timed`) };
  const { found, device } = (await answerOf(
    { script, job: { cases, repeat, runs }, files: servedFiles(ROOT, folder) },
    how,
  )) as { readonly found: readonly (readonly Omit<Column, 'who'>[])[]; readonly device: string };
  console.log(`device: ${device}`);
  for (const [k, { rows, columns }] of cases.entries()) {
    console.log(`\n${rows} row${rows === 1 ? '' : 's'}`);
    console.log(tableOf(columns.map(({ who }, column) => ({ who, ...found[k]![column]! }))));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function tableOf(columns: readonly Column[]): string {
  const [first] = columns;
  const head = ['', 'dispatches', 'submissions', 'workgroups', 'kB bound', 'error', 'time', 'from', 'to'];
  const body = columns.map(({ who, error, times, counts }) => {
    const ratios = times.map((time, i) => time / first!.times[i]!);
    const each = ({ dispatches, submissions, workgroups, bytes }: Column['counts']) =>
      [dispatches, submissions, workgroups, bytes / 1000].map((count) => (count / runs).toFixed(0));
    return [
      who,
      ...each(counts),
      error.toExponential(0),
      ...[median(ratios), Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2)),
    ];
  });
  return alignedTable([head, ...body]);
}

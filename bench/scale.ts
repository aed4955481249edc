import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { LOTRC } from './lotrc.js';
import { type Measure, measure, summarise } from './measure.js';
import { writeChain } from './models.js';
import { alignedTable, bytesText, secondsText } from './table.js';

const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: tmpdir() },
    sites: { type: 'string', default: '5000' },
    repeat: { type: 'string', default: '3' },
  },
});
const sites = Number(values.sites);
const repeat = Number(values.repeat);
if (![sites, repeat].every((number) => Number.isInteger(number) && number > 0)) {
  throw new Error('--sites and --repeat take whole numbers from 1');
}

const COMMANDS = ['rewrite', 'inspect', 'extract', 'strip', 'print'] as const;

const folder = mkdtempSync(join(values.dir, 'lotrc-scale-'));
try {
  const rows = [['command', 'layers', 'nodes', 'median', 'peak memory', 'to half the size']];
  const half = new Map<string, Measure>();
  for (const count of [Math.ceil(sites / 2), sites, 2 * sites]) {
    const model = join(folder, 'model.onnx');
    const adapted = join(folder, 'adapted.onnx');
    writeChain(model, count);
    for (const command of COMMANDS) {
      const args: Readonly<Record<(typeof COMMANDS)[number], readonly string[]>> = {
        rewrite: ['rewrite', model, '--rank', '4', '-o', adapted],
        inspect: ['inspect', model],
        extract: ['extract', adapted, '-o', join(folder, 'adapter.safetensors')],
        strip: ['strip', adapted, '-o', join(folder, 'stripped.onnx')],
        print: ['print', model],
      };
      const runs: Measure[] = [];
      for (let i = 0; i < repeat; i++) runs.push(measure([process.execPath, LOTRC, ...args[command]]));
      const run = summarise(runs);
      const before = half.get(command);
      half.set(command, run);
      const ratio = before ? `${(run.seconds / before.seconds).toFixed(2)}x` : '';
      rows.push([
        command,
        String(count),
        String(40 * count),
        secondsText(run.seconds),
        bytesText(run.peak),
        ratio,
      ]);
      console.error(rows.at(-1)!.join('  '));
    }
  }
  console.log(`\n${alignedTable(rows)}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

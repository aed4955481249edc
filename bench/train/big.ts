import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { measure } from '../measure.js';
import { LLAMA_1B, writeLlama } from './llama.js';

/**
 * `big.js --dir FOLDER --size 1`: seconds and peak of resident memory of `lotrc emit onnx-train` on a llama of 1.1e9 parameters
 * (4.4 GB, in FOLDER, deleted at the end). A smaller `--size` makes the layers narrower and keeps their number: the
 * graphs have the same nodes.
 */
const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: tmpdir() },
    size: { type: 'string', default: '1' },
    repeat: { type: 'string', default: '3' },
  },
});
const main = resolve(import.meta.dirname, '../../cli/main.js');
mkdirSync(values.dir, { recursive: true });
const folder = mkdtempSync(join(values.dir, 'lotrc-bench-big-'));
try {
  const narrow = (extent: number, step: number) =>
    step * Math.max(1, Math.round((extent * Number(values.size)) / step));
  const { width, inner, vocabulary, ...counts } = LLAMA_1B;
  const size = {
    ...counts,
    width: narrow(width, 64),
    inner: narrow(inner, 64),
    vocabulary: narrow(vocabulary, 1000),
  };
  const model = join(folder, 'llama.onnx');
  const rewritten = join(folder, 'llama.lotr.onnx');
  writeLlama(model, size);
  const targets = ['--target', 'q_proj', '--target', 'v_proj', '--weights', 'link', '-o', rewritten];
  measure([process.execPath, main, 'rewrite', model, '--rank', '8', ...targets]);
  for (const recompute of ['cheap', 'block']) {
    for (let n = 0; n < Number(values.repeat); n++) {
      const emit = ['emit', 'onnx-train', rewritten, '-o', folder, '--shift', '--recompute', recompute];
      const { seconds, peak } = measure([process.execPath, main, ...emit]);
      const memory = peak === null ? '' : `, peak ${Math.round(peak / 1e6)} MB`;
      console.log(`emit onnx-train --recompute ${recompute}: ${seconds.toFixed(1)} s${memory}`);
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

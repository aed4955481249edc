import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { RewriteBench } from './rewrite.js';

const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: tmpdir() },
    size: { type: 'string', default: '1' },
    repeat: { type: 'string', default: '5' },
    python: { type: 'string', default: 'python3' },
  },
});

const size = Number(values.size);
const repeat = Number(values.repeat);
if (!(size > 0 && size <= 1)) throw new Error('--size takes a fraction of the full sizes: 0 < size <= 1');
if (!(Number.isInteger(repeat) && repeat > 0)) throw new Error('--repeat takes a whole number from 1');

mkdirSync(values.dir, { recursive: true });
const folder = mkdtempSync(join(values.dir, 'lotrc-bench-'));
const stop = () => {
  rmSync(folder, { recursive: true, force: true });
  process.exit(130);
};
process.on('SIGINT', stop);
process.on('SIGTERM', stop);
try {
  const [cpu] = cpus();
  const machine = `${cpu?.model.trim()}, ${availableParallelism()} cores, ${(totalmem() / 1e9).toFixed(0)} GB`;
  console.error(`${machine}; Node ${process.version}; ${repeat} runs of each, size ${size}`);
  const bench = new RewriteBench({
    folder,
    size,
    repeat,
    python: values.python,
    log: (line) => console.error(line),
  });
  console.log(`\n${bench.run()}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

// node train.mjs FOLDER BATCHES.json ADAPTER.safetensors [CHECKPOINT]
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { TrainingRun } from 'lotrc/runtime';
import * as ort from 'onnxruntime-node';

const [folder, batches, adapter, checkpoint = `${adapter}.checkpoint`] = process.argv.slice(2);
const run = await TrainingRun.open((name) => readFile(join(folder, name)), { ort, ep: 'cpu' });
if (existsSync(checkpoint)) await run.resume(await readFile(checkpoint));
for (const batch of JSON.parse(await readFile(batches, 'utf8')).slice(run.taken)) {
  const { step, loss } = await run.step(batch, { lr: 1e-2 });
  console.log(`step ${step}: loss ${loss}`);
  await writeFile(checkpoint, await run.checkpoint());
}
await writeFile(adapter, await run.adapter());
await run.close();

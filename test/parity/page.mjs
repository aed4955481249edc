// The page of test/parity: trains with batches and rates that it is given, and scores the validation windows.
import { TrainingRun } from 'lotrc/runtime';
import * as ort from 'onnxruntime-web/webgpu';

ort.env.wasm.wasmPaths = '/ort/';
ort.env.logLevel = 'error';

async function answer() {
  const { ep, threads, place, batches, rates, validation } = await (await fetch('/job')).json();
  ort.env.wasm.numThreads = threads;
  let clock = performance.now();
  const since = () => {
    const before = clock;
    clock = performance.now();
    return (clock - before) / 1000;
  };
  const run = await TrainingRun.open(place, { ort, ep });
  const opening = since();
  const [losses, seconds] = [[], []];
  for (const [step, batch] of batches.entries()) {
    losses.push((await run.step(batch, { lr: rates[step] })).loss);
    seconds.push(since());
  }
  const { loss } = await run.evaluate([validation]);
  await run.close();
  return { losses, after: loss, opening, seconds };
}

const body = await answer().catch((error) => ({ failed: String(error?.stack ?? error) }));
await fetch('/answer', { method: 'POST', body: JSON.stringify(body) });

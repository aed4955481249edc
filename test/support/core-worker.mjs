// Runs a bundle of lotrc/core where the globals of Node are gone, as in a worker of a browser, and answers with what it made.
import { parentPort, workerData } from 'node:worker_threads';

const port = parentPort;
const { bundle, jobs } = workerData;
for (const name of ['process', 'Buffer', 'global', 'setImmediate', 'clearImmediate']) delete globalThis[name];

/** The input in the form that the job names. */
function given({ form, name, bytes }) {
  if (form === 'bytes') return bytes;
  if (form === 'buffer') return bytes.slice().buffer;
  return form === 'file' ? new File([bytes], name) : new Blob([bytes]);
}

async function made(core, job) {
  const files = Object.fromEntries(
    Object.entries(job.files ?? {}).map(([name, bytes]) => [name, new Blob([bytes])]),
  );
  const opened = await core.openModel(given(job), { name: job.name, files });
  const model = opened.read();
  const before = core.printModel(model, { locations: false });
  const spec = job.init && { spec: core.parseInit(job.init, { ...core.LORA, scale: 3 }) };
  const { adapter } = core.rewrite(model, { ...job.rewrite, ...spec });
  const rewritten = core.encodeModel(model);
  const again = await core.openModel(rewritten, { name: job.rewrittenName });
  const report = core.inspect(again.read());
  const factors = core.encodeSafetensors(adapter.tensors, adapter.metadata);
  const read = await core.readSafetensors(new Blob([factors]));
  const merged = again.read();
  core.merge(merged, read);
  const training = core.emitTraining({
    open: again.read,
    options: core.TRAIN_DEFAULTS,
  });
  return {
    before,
    rewritten,
    factors,
    layers: report.groups.length,
    merged: core.encodeModel(merged),
    files: training.files,
    base: [...training.base].map(([name, source]) => [name, source.size]),
  };
}

async function answer() {
  const core = await import(bundle);
  const answers = [];
  for (const job of jobs) answers.push(await made(core, job));
  return { globals: [typeof process, typeof Buffer, typeof global], answers };
}

port.postMessage(await answer().catch((error) => ({ failed: String(error?.stack ?? error) })));

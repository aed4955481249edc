// What a host of a training directory must compute.
//   node kit.mjs make TRAIN_DIR KIT      writes 20 batches, and the losses and parameters that lotrc/runtime has with them
//   node kit.mjs check KIT LOSSES ADAPTER    compares what a host printed and wrote; ends with code 1 when they differ
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';

const STEPS = 20;
const WITHIN = 1e-6;
const DTYPES = { f32: 'F32', i64: 'I64', i32: 'I32', bool: 'BOOL' };

/** Tensors as the bytes of a safetensors file: { name: { dtype, shape, data } }. */
function safetensors(tensors) {
  const header = {};
  const parts = [];
  let at = 0;
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype: DTYPES[dtype], shape, data_offsets: [at, at + data.byteLength] };
    parts.push(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
    at += data.byteLength;
  }
  const text = JSON.stringify(header);
  const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.length));
  return Buffer.concat([length, padded, ...parts]);
}

/** The float32 tensors of a safetensors file, by name. */
async function floatsOf(file) {
  const bytes = await readFile(file);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__: _, ...header } = JSON.parse(bytes.subarray(8, start));
  return new Map(
    Object.entries(header).map(
      ([
        name,
        {
          data_offsets: [from, to],
        },
      ]) => [name, new Float32Array(Uint8Array.from(bytes.subarray(start + from, start + to)).buffer)],
    ),
  );
}

/** Values of a batch input or label: ids, masks of ones, classes, or numbers, another row length and number in each batch. */
function valuesOf(port, extents, classes, number) {
  const shape = port.shape.map((extent) => (typeof extent === 'number' ? extent : extents(extent)));
  const count = shape.reduce((a, b) => a * b, 1);
  const limit = port.role === 'label' ? classes : (port.rows ?? 2);
  const mask = /mask/i.test(port.name);
  const value = (i) => {
    const seed = Math.abs(Math.sin(1 + i * 12.9898 + number * 78.233) * 43758.5453) % 1;
    if (mask) return 1;
    return port.dtype === 'f32' ? 2 * seed - 1 : Math.floor(seed * limit);
  };
  const numbers = Array.from({ length: count }, (_, i) => value(i));
  const data = {
    f32: () => Float32Array.from(numbers),
    i64: () => BigInt64Array.from(numbers, BigInt),
    i32: () => Int32Array.from(numbers),
    bool: () => Uint8Array.from(numbers),
  }[port.dtype]();
  return { dtype: port.dtype, shape, data };
}

async function make(folder, kit) {
  const { TrainingRun } = await import('lotrc/runtime');
  const ort = await import('onnxruntime-node');
  const signature = JSON.parse(await readFile(join(folder, 'signature.json'), 'utf8'));
  const { step } = signature.graphs;
  const logits = (signature.graphs.eval ?? step).outputs.find(({ role }) => role === 'logits');
  const classes = typeof logits?.shape.at(-1) === 'number' ? logits.shape.at(-1) : 2;
  const run = await TrainingRun.open((name) => readFile(join(folder, name)), { ort, ep: 'cpu' });
  const lr = Float32Array.from({ length: STEPS }, (_, i) => 0.01 / (1 + i));
  const tensors = { lr: { dtype: 'f32', shape: [STEPS], data: lr } };
  const losses = [];
  for (let number = 0; number < STEPS; number++) {
    // one extent for each name, as in the model
    const named = new Map();
    const extents = (name) => {
      if (!named.has(name)) named.set(name, 3 + ((number + 2 * named.size) % 4));
      return named.get(name);
    };
    const batch = {};
    for (const port of step.inputs) {
      if (port.role !== 'batch' && port.role !== 'label') continue;
      const { dtype, shape, data } = valuesOf(port, extents, classes, number);
      tensors[`${number}/${port.name}`] = { dtype, shape, data };
      batch[port.role === 'label' ? 'labels' : port.name] = { dims: shape, data };
    }
    losses.push((await run.step(batch, { lr: lr[number] })).loss);
  }
  await mkdir(kit, { recursive: true });
  await writeFile(join(kit, 'batches.safetensors'), safetensors(tensors));
  await writeFile(join(kit, 'losses.txt'), losses.map((loss) => `${loss}\n`).join(''));
  await writeFile(join(kit, 'adapter.safetensors'), await run.adapter());
  await run.close();
}

async function check(kit, lossesFile, adapter) {
  const lossesOf = async (file) => (await readFile(file, 'utf8')).trim().split(/\s+/).map(Number);
  const [expected, found] = [await lossesOf(join(kit, 'losses.txt')), await lossesOf(lossesFile)];
  const [wanted, own] = [await floatsOf(join(kit, 'adapter.safetensors')), await floatsOf(adapter)];
  const rows = [
    ['losses', expected, found],
    ...[...wanted].map(([name, values]) => [name, values, own.get(name)]),
  ];
  let passed = true;
  for (const [name, a, b] of rows) {
    const size = a.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
    const worst =
      a.length === b?.length
        ? a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0) / size
        : NaN;
    const fits = worst <= WITHIN;
    console.log(`${fits ? 'ok  ' : 'DIFFERS'} ${name}: ${worst.toExponential(1)}`);
    passed &&= fits;
  }
  process.exitCode = passed ? 0 : 1;
}

const [command, ...paths] = process.argv.slice(2);
await { make, check }[command](...paths);

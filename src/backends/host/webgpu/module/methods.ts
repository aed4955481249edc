import type { ModuleFacts } from './facts.js';

/** The methods of an emitted object, as text, in the order of its interface. */
export function methods(facts: ModuleFacts): string {
  const { half, adapters, merging, training } = facts;
  const many = adapters > 1;
  return [
    'tokens,',
    'buffers,',
    setTensors(many),
    ...(many ? [SET_ROWS] : []),
    write(many, half),
    read(many, half),
    merging ? FORWARD_OR_MERGED : FORWARD,
    ...(merging ? [MERGING] : []),
    ...(training ? [backward(facts)] : []),
    DESTROY,
  ].join('\n');
}

const setTensors = (many: boolean) => `
setWeights(tensors) {
  upload(tensors, WEIGHTS);
},

${
  many
    ? `setAdapter(tensors, adapter = 0) {
  checkAdapter(adapter);
  upload(tensors, FACTORS, adapter);
},`
    : `setAdapter(tensors) {
  upload(tensors, FACTORS);
},`
}
`;

const SET_ROWS = `setRows(adapters) {
  checkAlive();
  const blocks = Math.ceil(tokens / ROW_BLOCK);
  if (adapters.length !== blocks) {
    throw new RangeError(\`\${tokens} rows are \${blocks} blocks of \${ROW_BLOCK}, not \${adapters.length}\`);
  }
  for (const adapter of adapters) checkAdapter(adapter);
  device.queue.writeBuffer(buffers.rowAdapter, 0, Uint32Array.from(adapters));
},
`;

const write = (many: boolean, half: boolean) => `write(name, data) {
  checkAlive();
${many ? '  checkNumbers(name);\n' : ''}  checkLength(name, data, tokens);
  device.queue.writeBuffer(buffers[name], 0, ${half ? 'isHalf(name) ? toHalves(data) : data' : 'data'});
},
`;

const read = (many: boolean, half: boolean) => `async read(name) {
  checkAlive();
${many ? '  checkNumbers(name);\n' : ''}  const { size } = buffers[name];
  const staging = device.createBuffer({ size, usage: USAGE.MAP_READ | USAGE.COPY_DST });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffers[name], 0, staging, 0, size);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(READ);
  const bytes = staging.getMappedRange().slice(0);
  staging.destroy();
${half ? '  if (isHalf(name)) return fromHalves(new Uint16Array(bytes), sizeOf(name, tokens));\n' : ''}  return new Float32Array(bytes);
},
`;

const FORWARD = `forward(region) {
  submit(refresh(), named(regionOf(region).forward));
},
`;

const FORWARD_OR_MERGED = `forward(region) {
  const { forward, merged: folded } = regionOf(region);
  if (merged) submit(named(folded));
  else submit(refresh(), named(forward));
},
`;

const MERGING = `merge() {
  if (merged) throw new Error('the adapter is in the weights already');
  submit(refresh(), named(MERGE));
  merged = true;
},

unmerge() {
  if (!merged) throw new Error('the adapter is not in the weights');
  submit(named(UNMERGE));
  merged = false;
},
`;

/** The value of each uniform of a step's kernel, by its name there. */
const UNIFORMS: Readonly<Record<string, string>> = {
  learning_rate: 'learningRate',
  beta1: 'beta1',
  beta2: 'beta2',
  epsilon: 'epsilon',
  weight_decay: 'weightDecay',
  correction1: '1 - beta1 ** steps',
  correction2: '1 - beta2 ** steps',
};

function backward({ stepUniforms }: ModuleFacts): string {
  const values = stepUniforms.map((name) => {
    const value = UNIFORMS[name];
    if (value === undefined) throw new Error(`a step has no ${name}`);
    return `${value},`;
  });
  return `backward(region) {
  const { dx, addsToDx, backward } = regionOf(region);
  if (dx !== null && addsToDx && !begun.has(dx)) {
    throw new Error(\`a region before \${region} reads the same x: its backward pass goes first\`);
  }
  submit(refresh(), named(backward));
  if (dx !== null) begun.add(dx);
},

gradients() {
  submit(named(EPILOGUE));
},

step({ learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 }) {
  checkAlive();
  const positive = learningRate >= 0 && epsilon > 0 && weightDecay >= 0;
  const finite = Number.isFinite(learningRate + epsilon + weightDecay);
  if (!positive || !finite || !isFraction(beta1) || !isFraction(beta2)) {
    throw new RangeError('not the numbers of an AdamW step');
  }
  steps++;
  const values = Float32Array.of(
${values.join('\n')}
  );
  device.queue.writeBuffer(numbers, 0, values);
  submit(named(EPILOGUE), updates);
  clear();
  // what depends on the factors is computed again
  stale = true;
},

clearGradients() {
  clear();
},
`;
}

const DESTROY = `destroy() {
  destroyed = true;
  for (const buffer of owned) buffer.destroy();
},`;

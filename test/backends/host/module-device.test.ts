import { beforeAll, expect, test } from 'vitest';
import { STEP_KINDS, stepOptimizer } from '../../../src/backends/host/shared/optimizer.js';
import { webgpuHost } from '../../../src/backends/host/webgpu/webgpu.js';
import { readSafetensorsFrom } from '../../../src/ir/files/safetensors-format.js';
import { MemorySource } from '../../../src/ir/onnx/source.js';
import { toF32 } from '../../../src/ir/values.js';
import { type EmittedModule, loadModule } from '../../support/host-module.js';
import { hostPlans } from '../../support/host-plans.js';
import { values } from '../../support/kernel-cases.js';
import { type StateTensor, stateOf, stateTensors, withoutLast } from '../../support/optimizer-state.js';
import { recordingDevice } from '../../support/recording-device.js';

let train: EmittedModule;
let half: EmittedModule;
beforeAll(async () => {
  const plans = hostPlans();
  train = await loadModule(webgpuHost(plans['train, lotr, sums in parts']!)[0]!.text);
  half = await loadModule(webgpuHost(plans['serve, float16']!)[0]!.text);
});

test('pipelines have the layouts of the tables, one for all that bind alike, and bind the buffers of the tables', async () => {
  const { device, made } = recordingDevice();
  await train.createAdapters(device, { tokens: 41 });
  const kernels = [
    ...Object.entries(train.KERNELS),
    ...train.STEPS!.map(({ factor, kernel }) => [`step_${factor}`, kernel] as const),
  ];
  // one pipeline for launches that differ in their buffers alone, labelled as the first
  const sources = kernels.map(([, { code }]) => code);
  const first = kernels.filter(([, { code }], at) => sources.indexOf(code) === at);
  expect(first.length).toBeLessThan(kernels.length);
  expect(made.pipelines.map(({ label }) => label)).toEqual(first.map(([name]) => name));
  for (const [name, { bindings, uniformBytes, code }] of kernels) {
    const { layout } = made.pipelines.find((pipeline) => pipeline.compute.module.code === code)!;
    expect(layout.bindGroupLayouts, name).toHaveLength(1);
    const buffers = [
      ...bindings.map(({ type }) => ({ type })),
      ...(uniformBytes > 0 ? [{ type: 'uniform', minBindingSize: uniformBytes }] : []),
    ];
    expect(layout.bindGroupLayouts[0]!.entries, name).toEqual(
      buffers.map((buffer, binding) => ({ binding, visibility: 4, buffer })),
    );
    const factor = /^step_(.*)/.exec(name)?.[1];
    const own: Readonly<Record<string, string>> =
      factor === undefined
        ? {}
        : {
            parameter: factor,
            gradient: `d${factor}`,
            moment1: `${factor}_moment1`,
            moment2: `${factor}_moment2`,
          };
    const group = made.groups.find(({ label }) => label === name)!;
    expect(group.layout, name).toBe(layout.bindGroupLayouts[0]);
    expect(
      group.entries.map(({ resource }) => resource.buffer.label),
      name,
    ).toEqual([
      ...bindings.map(({ buffer }) => own[buffer] ?? buffer),
      ...(uniformBytes > 0 ? [factor === undefined ? 'uniforms' : 'step'] : []),
    ]);
  }
  expect(made.groups).toHaveLength(kernels.length);
  const distinct = new Set(made.layouts.map((layout) => JSON.stringify(layout)));
  expect(made.layouts).toHaveLength(distinct.size);
  expect(distinct.size).toBeLessThan(kernels.length);
});

test('what a device lacks is named, all of it, with what to do', async () => {
  const { requiredLimits } = half.requirements(300);
  const { maxBufferSize } = requiredLimits;
  const { device, made } = recordingDevice({
    limits: { ...requiredLimits, maxBufferSize: 1000, maxComputeWorkgroupsPerDimension: 1 },
  });
  expect(half.missing(device, 300)).toEqual([
    'the feature shader-f16',
    `maxBufferSize of ${maxBufferSize} (it has 1000)`,
    `maxComputeWorkgroupsPerDimension of ${requiredLimits.maxComputeWorkgroupsPerDimension} (it has 1)`,
  ]);
  await expect(half.createAdapters(device)).rejects.toThrowError(
    `the device lacks the feature shader-f16, maxBufferSize of ${maxBufferSize} (it has 1000), ` +
      `maxComputeWorkgroupsPerDimension of ${requiredLimits.maxComputeWorkgroupsPerDimension} (it has 1): ` +
      'ask for it with adapter.requestDevice(requirements(300)); missing(adapter, 300) says whether the adapter has it',
  );
  expect(made.pipelines).toEqual([]);
  const enough = recordingDevice({ limits: requiredLimits, features: ['shader-f16'] });
  expect(half.missing(enough.device, 300)).toEqual([]);
  expect(half.missing(enough.device, 301)).not.toEqual([]);
  await half.createAdapters(enough.device);
});

test.each([0, -1, 1.5, Number.NaN, '7'])('%s is not a number of tokens', async (tokens) => {
  const { device } = recordingDevice();
  await expect(train.createAdapters(device, { tokens: tokens as number })).rejects.toThrowError(
    `tokens must be a whole number from 1 on, not ${tokens}`,
  );
});

test('nothing is allocated when a kernel does not compile', async () => {
  const { device, made } = recordingDevice({ refuses: 'down_0' });
  await expect(train.createAdapters(device)).rejects.toThrowError('down_0 does not compile');
  expect(made.buffers).toEqual([]);
});

test('a device without room for the buffers is an error, and all are freed', async () => {
  const { device, made } = recordingDevice({ full: 'no memory' });
  await expect(train.createAdapters(device, { tokens: 5 })).rejects.toThrowError(
    'the device has no room for the buffers of 5 tokens: no memory',
  );
  expect(made.buffers.length).toBeGreaterThan(Object.keys(train.BUFFERS).length);
  expect(made.buffers.filter(({ destroyed }) => !destroyed)).toEqual([]);
  expect(made.groups).toEqual([]);
});

test('destroy frees every buffer, and calls say so afterwards', async () => {
  const { device, made } = recordingDevice();
  const host = await train.createAdapters(device, { tokens: 5 });
  expect(made.buffers.some(({ destroyed }) => destroyed)).toBe(false);
  const call = (name: string, ...values: unknown[]) =>
    (host[name] as (...values: unknown[]) => unknown)(...values);
  const calls: readonly (readonly [string, ...unknown[]])[] = [
    ['setWeights', {}],
    ['setAdapter', {}],
    ['write', 'x_0', new Float32Array(5 * 17)],
    ['encode', { setPipeline() {}, setBindGroup() {}, dispatchWorkgroups() {} }, 0],
    ['forward', 0],
    ['backward', 0],
    ['gradients'],
    ['step', { learningRate: 1 }],
    ['clearGradients'],
  ];
  for (const [name, ...values] of calls) expect(() => call(name, ...values), name).not.toThrow();
  call('destroy');
  expect(made.buffers.filter(({ destroyed }) => !destroyed)).toEqual([]);
  for (const [name, ...values] of calls)
    expect(() => call(name, ...values), name).toThrowError('are destroyed');
  await expect(call('read', 'x_0')).rejects.toThrowError('are destroyed');
  await expect(call('readState')).rejects.toThrowError('are destroyed');
  expect(() => call('writeState', new Uint8Array(8))).toThrowError('are destroyed');
  expect(new Set(Object.keys(host))).toEqual(
    new Set([
      'tokens',
      'buffers',
      'read',
      'readAdapter',
      'readState',
      'writeState',
      'destroy',
      ...calls.map(([name]) => name),
    ]),
  );
  expect(() => call('destroy')).not.toThrow();
});

test('a region is recorded in a pass of the caller, and nothing is submitted', async () => {
  const { device, made } = recordingDevice();
  const host = await train.createAdapters(device, { tokens: 5 });
  const recorded: string[] = [];
  const pass = {
    setPipeline: ({ label }: { readonly label: string }) => recorded.push(label),
    setBindGroup() {},
    dispatchWorkgroups() {},
  };
  const encode = host.encode as (pass: object, region: number) => void;
  encode(pass, 0);
  expect(recorded).toContain('down_0');
  const whole = recorded.length;
  // what depends on the factors alone is made once
  encode(pass, 0);
  expect(recorded.length).toBeLessThan(2 * whole);
  expect(made.submitted).toBe(0);
  expect(() => encode(pass, 99)).toThrowError(RangeError);
});

test('a device that is lost is said at the next call', async () => {
  const { device, lose } = recordingDevice();
  const host = await train.createAdapters(device, { tokens: 5 });
  lose('the driver was reset');
  await Promise.resolve();
  const forward = host.forward as (region: number) => void;
  expect(() => forward(0)).toThrowError('the device was lost: the driver was reset; make the adapters again');
});

/** Of each optimizer: what is refused, numbers of a second step, and what its kernels get then. */
const NUMBERS: Readonly<
  Record<string, readonly [wrong: readonly object[], second: object, uniforms: readonly number[]]>
> = {
  adamw: [
    [{ beta1: 1 }, { beta2: -0.1 }, { epsilon: 0 }, { weightDecay: -1 }],
    { beta1: 0.5, weightDecay: 0.25 },
    [0.5, 0.999, 1e-8, 0.25, 0.75, 1 - Math.fround(0.999) ** 2],
  ],
  sgd: [
    [{ momentum: 1 }, { momentum: Number.NaN }, { weightDecay: Number.POSITIVE_INFINITY }],
    { weightDecay: 0.25 },
    [0.9, 0.25],
  ],
  lion: [[{ beta1: 1 }, { beta2: -0.1 }, { weightDecay: -1 }], { beta2: 0.5 }, [0.9, 0.5, 0]],
};

test.each(STEP_KINDS)(
  '%s: numbers that it does not take change nothing, others reach the kernels',
  async (kind) => {
    const plan = hostPlans()['train, lotr, sums in parts']!;
    const module = kind === 'adamw' ? train : await loadModule(webgpuHost(plan, kind)[0]!.text);
    const { device, made } = recordingDevice();
    const host = await module.createAdapters(device, { tokens: 5 });
    const step = host.step as (hyper: unknown) => void;
    const moments = made.buffers.filter(({ label }) => label.startsWith('L_0_moment'));
    expect(moments).toHaveLength(stepOptimizer(kind).slots.length);
    const before = [made.submitted, made.written.length];
    const [wrong, second, uniforms] = NUMBERS[kind]!;
    const rates = [-1, Number.NaN, Number.POSITIVE_INFINITY].map((learningRate) => ({ learningRate }));
    for (const hyper of [...rates, ...wrong])
      expect(() => step({ learningRate: 1, ...hyper }), JSON.stringify(hyper)).toThrowError(
        `not the numbers of ${kind === 'lion' ? 'a' : 'an'} ${stepOptimizer(kind).title} step`,
      );
    expect([made.submitted, made.written.length]).toEqual(before);
    step({ learningRate: 1 });
    step({ learningRate: 2, ...second });
    expect(made.submitted).toBeGreaterThan(before[0]!);
    const numbers = made.buffers.find(({ label }) => label === 'step')!;
    const { data } = made.written.filter(({ label }) => label === 'step')[1]!;
    expect(data).toEqual(Float32Array.of(2, ...uniforms));
    // the struct of the kernels has room for them, in whole words of 16 bytes
    expect(module.STEPS![0]!.kernel.uniformBytes).toBe(4 * data.length);
    expect(numbers.size).toBe(16 * Math.ceil(data.length / 4));
  },
);

test.each(STEP_KINDS)(
  '%s: the state that is written is read again, and the next step is its next',
  async (kind) => {
    const plan = hostPlans()['train, lotr, sums in parts']!;
    const module = kind === 'adamw' ? train : await loadModule(webgpuHost(plan, kind)[0]!.text);
    const { device, made } = recordingDevice();
    const host = await module.createAdapters(device, { tokens: 5 });
    const readState = host.readState as () => Promise<Uint8Array<ArrayBuffer>>;
    const writeState = host.writeState as (state: ArrayBuffer | Uint8Array) => void;
    const numbers = ({ name, rows, cols }: StateTensor) => values(rows * cols, name.length + rows);
    const [cold, state] = [stateOf(plan, kind, 0, () => []), stateOf(plan, kind, 1234, numbers)];
    const zeros = stateOf(plan, kind, 0, ({ rows, cols }) => new Float32Array(rows * cols));
    expect(await readState()).toEqual(zeros);
    // where the steps of each factor have them, in order
    writeState(state);
    const written = made.buffers.filter(({ label }) => /_moment\d$/.test(label));
    expect(written.length).toBe(module.STEPS!.length * stepOptimizer(kind).slots.length);
    for (const { label, bytes } of written)
      expect(
        bytes.some((byte) => byte !== 0),
        label,
      ).toBe(true);
    expect(await readState()).toEqual(state);
    // from a view into other bytes, and from a whole buffer
    writeState(Uint8Array.of(0, 0, 0, ...zeros).subarray(3));
    expect(await readState()).toEqual(zeros);
    writeState(state.buffer);
    (host.step as (hyper: object) => void)({ learningRate: 1 });
    const { data } = made.written.find(({ label }) => label === 'step')!;
    if (kind === 'adamw') expect(data[5]).toBe(Math.fround(1 - Math.fround(0.9) ** 1235));
    expect(await readState()).toEqual(stateOf(plan, kind, 1235, numbers));

    // what is not its own is refused with what differs, and changes nothing
    const other = STEP_KINDS.find((one) => one !== kind)!;
    const plans = hostPlans();
    const differs = 'the state is of another optimizer or adapter: it has ';
    const broken = Uint8Array.from(state);
    broken[6] = 1;
    for (const [wrong, says] of [
      [
        stateOf(plan, other, 2, numbers),
        `${differs}"lotrc.optimizer":"${other}", and this module "lotrc.optimizer":"${kind}"`,
      ],
      [stateOf(plans['train, lora']!, kind, 2, numbers), `${differs}"lotrc.method":`],
      [stateOf(withoutLast(plan), kind, 2, numbers), `${differs}nothing more, and this module "lotr/`],
      [cold, `the state has ${cold.length} bytes, not ${zeros.length}: it is not whole`],
      [state.slice(0, 99), 'this is not a state: its header is not whole'],
      [new Uint8Array(3), 'this is not a state: its header is not whole'],
      [broken, 'this is not a state: its header is not whole'],
    ] as const)
      expect(() => writeState(wrong), says).toThrowError(says);
    expect(await readState()).toEqual(stateOf(plan, kind, 1235, numbers));

    // any reader of safetensors opens it
    const { tensors, metadata } = readSafetensorsFrom(new MemorySource(Buffer.from(state), 'state'));
    expect([...tensors.keys()]).toEqual(stateTensors(plan, kind).map(({ name }) => name));
    for (const tensor of stateTensors(plan, kind))
      expect(toF32(tensors.get(tensor.name)!)).toEqual(Float32Array.from(numbers(tensor)));
    expect(metadata).toMatchObject({ 'lotrc.optimizer': kind, 'lotrc.steps': '1234' });
  },
);

test('the table of rows holds no float32, whatever a caller without types asks', async () => {
  const text = webgpuHost(hostPlans()['serve, three adapters, lotr']!)[0]!.text;
  const { device } = recordingDevice();
  const host = await (await loadModule(text)).createAdapters(device, { tokens: 150 });
  const write = host.write as (name: string, data: unknown) => void;
  const read = host.read as (name: string) => Promise<unknown>;
  expect(() => write('rowAdapter', new Float32Array(3))).toThrowError('rowAdapter is filled by setRows');
  await expect(read('rowAdapter')).rejects.toThrowError('rowAdapter is filled by setRows');
});

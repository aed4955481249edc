import {
  appendFileSync,
  linkSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import protobuf from 'protobufjs';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { crc32c } from '../../../src/train/logs/crc32c.js';
import { EventWriter, lengthUpTo, readEvents } from '../../../src/train/logs/event-file.js';
import { framed } from '../../../src/train/logs/records.js';
import { logOf } from '../../../src/train/logs/rows.js';
import { scalarOfProto } from '../../../src/train/logs/tensor-proto.js';
import { noise } from '../../support/ort.js';

/** Written by torch.utils.tensorboard.SummaryWriter; see the README next to it. */
const TORCH = resolve(import.meta.dirname, '../../data/logs/glue/roberta');
const LOTR = ['host.0', 'host.1'].map((end, i) =>
  join(TORCH, `lotr/mrpc/1e-3/8/42/events.out.tfevents.170000000${i}.${end}`),
);
const LORA = join(TORCH, 'lora/mrpc/5e-4/2/7/events.out.tfevents.1700000000.host.0');

const root = mkdtempSync(join(tmpdir(), 'lotrc-events-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let serial = 0;
let file = '';
beforeEach(() => {
  file = join(root, `${serial++}.tfevents`);
});

test('CRC-32C has the values of RFC 3720 B.4', () => {
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
});

describe("torch's event files", () => {
  test('are read: float and tensor scalars, values that are not finite, no histograms or texts', () => {
    const { events, diagnostics } = readEvents(LOTR[0]!);
    expect(diagnostics).toEqual([]);
    const log = logOf(events);
    const train = log.rows.filter(({ split }) => split === 'train');
    expect(train.map(({ step }) => step)).toEqual([1, 4, 7, 10, 13, 16, 19]);
    expect(train.map(({ values }) => values.get('loss'))).toEqual([
      2.5,
      2.25,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      1.75,
      1.5,
    ]);
    expect(train[3]!.values.get('learning_rate')).toBe(Math.fround(0.004));
    expect(train[3]!.wallTime).toBe(1_700_000_003);
    const others = log.rows.filter(({ split }) => split !== 'train');
    expect(others.map(({ step, split, values }) => [step, split, [...values]])).toEqual([
      [
        4,
        '',
        [
          ['new style', 3.25],
          ['double style', 0.1],
        ],
      ],
      [19, 'eval', [['accuracy', 0.8125]]],
    ]);
  });

  test('a second file that begins again at a step takes back what the first said from there on', () => {
    const log = logOf(LOTR.flatMap((path) => readEvents(path).events));
    const losses = log.rows.filter(({ values }) => values.has('loss'));
    expect(losses.map(({ step, values }) => [step, values.get('loss')]).slice(-3)).toEqual([
      [10, Number.POSITIVE_INFINITY],
      [13, Number.NEGATIVE_INFINITY],
      [16, 1.125],
    ]);
    expect(log.rows.some(({ split }) => split === 'eval')).toBe(false);
  });

  test('hyperparameters are the settings of the run', () => {
    expect(Object.fromEntries(logOf(readEvents(LORA).events).settings)).toEqual({
      lr: 5e-4,
      rank: 2,
      seed: 7,
      schedule: 'linear',
      model: 'roberta-base',
    });
  });
});

describe('a damaged file', () => {
  test('cut anywhere gives the records before the cut, and says where the rest begins', () => {
    const whole = readFileSync(LOTR[1]!);
    const ends = recordEnds(whole);
    expect(ends).toHaveLength(4);
    expect(ends.at(-1)).toBe(whole.byteLength);
    for (let size = 0; size < whole.byteLength; size++) {
      writeFileSync(file, whole.subarray(0, size));
      const { events, diagnostics } = readEvents(file);
      const before = ends.filter((end) => end <= size);
      expect(events).toHaveLength(before.length);
      const offset = before.at(-1) ?? 0;
      const cut = { code: 'LOTR5201', severity: 'warning', at: { kind: 'bytes', file, offset } };
      expect(diagnostics).toMatchObject(offset === size ? [] : [cut]);
    }
  });

  test('passes over an event whose step no number can hold', () => {
    const writer = new EventWriter(file);
    for (const step of [1, 2]) writer.scalars(step, [['train/loss', step / 2]]);
    writer.close();
    const step = Uint8Array.of(16, ...new Array<number>(8).fill(255), 127); // 2^63 - 1
    writeFileSync(file, Buffer.concat([readFileSync(file), framed(step)]));
    const { events, diagnostics } = readEvents(file);
    expect(events.flatMap(({ scalars }) => [...scalars.values()])).toEqual([0.5, 1]);
    expect(diagnostics).toMatchObject([{ code: 'LOTR5201', severity: 'warning' }]);
    expect(JSON.stringify(diagnostics)).toContain('its step is 9223372036854776000');
  });

  test('passes over a record with a wrong checksum, and stops at a wrong length', () => {
    const writer = new EventWriter(file);
    for (const step of [1, 2, 3]) writer.scalars(step, [['train/loss', step / 2]]);
    writer.close();
    const whole = readFileSync(file);
    const [, first, second] = recordEnds(whole) as [number, number, number];
    const steps = () => readEvents(file).events.flatMap(({ scalars }) => [...scalars.values()]);
    expect(steps()).toEqual([0.5, 1, 1.5]);
    const flipped = (at: number) => {
      const bytes = Buffer.from(whole);
      bytes[at]! ^= 4;
      writeFileSync(file, bytes);
    };
    flipped(second - 6);
    expect(steps()).toEqual([0.5, 1.5]);
    expect(readEvents(file).diagnostics[0]).toMatchObject({
      message: 'the checksum of a record does not fit',
      at: { offset: first },
    });
    flipped(first + 1);
    expect(steps()).toEqual([0.5]);
    expect(readEvents(file).diagnostics[0]!.message).toBe('the checksum of a record length does not fit');
  });

  test('a whole record that is not an event is skipped', () => {
    writeFileSync(
      file,
      Buffer.concat([
        framed(Buffer.from([0x0f, 1, 2])),
        framed(Buffer.of(16, 9)),
        framed(Buffer.of(0x2a, 200)),
      ]),
    );
    const { events, diagnostics } = readEvents(file);
    expect(events.map(({ step }) => step)).toEqual([9]);
    expect(diagnostics[0]!.message).toMatch(
      /a record is not an event: .*, and 1 more record cannot be used$/,
    );
    expect(diagnostics[0]!.notes).toHaveLength(1);
  });
});

describe('an event file that is written', () => {
  const { root: proto } = protobuf.parse(
    `syntax = "proto3";
    message Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5; }
    message Summary { repeated Value value = 1; }
    message Value { string tag = 1; float simple_value = 2; Metadata metadata = 9; }
    message Metadata { PluginData plugin_data = 1; }
    message PluginData { string plugin_name = 1; bytes content = 2; }
    message HParams { int32 version = 1; Start session_start_info = 3; }
    message Start { map<string, Setting> hparams = 1; double start_time_secs = 5; }
    message Setting { oneof kind { double number_value = 2; string string_value = 3; bool bool_value = 4; } }`,
    { keepCase: true },
  );

  test('is what the published message definitions say, with the checksums of TFRecord', () => {
    const writer = new EventWriter(file);
    writer.settings(
      new Map<string, string | number | boolean>([
        ['model', 'm\u00f8'],
        ['lr', 0.3],
        ['half', false],
      ]),
    );
    const values: [string, number][] = [
      ['train/loss', Number.NaN],
      ['train/lr', 0.1],
      ['train/norm', Number.NEGATIVE_INFINITY],
    ];
    writer.scalars(3_000_000_000, values);
    writer.close();
    const records = recordsOf(readFileSync(file));
    const [version, settings, scalars] = records.map((data) =>
      proto.lookupType('Event').decode(data).toJSON(),
    );
    expect(version).toMatchObject({ file_version: 'brain.Event:2' });
    expect(version!.wall_time).toBeGreaterThan(1.7e9);
    const [value] = settings!.summary.value;
    expect(value).toMatchObject({
      tag: '_hparams_/session_start_info',
      metadata: { plugin_data: { plugin_name: 'hparams' } },
    });
    const content = Buffer.from(value.metadata.plugin_data.content, 'base64');
    const start = proto.lookupType('HParams').decode(content).toJSON().session_start_info;
    expect(start.hparams).toEqual({
      model: { string_value: 'm\u00f8' },
      lr: { number_value: 0.3 },
      half: { bool_value: false },
    });
    expect(scalars).toMatchObject({
      step: '3000000000',
      summary: {
        value: [
          { tag: 'train/loss', simple_value: 'NaN' },
          { tag: 'train/lr', simple_value: Math.fround(0.1) },
          { tag: 'train/norm', simple_value: '-Infinity' },
        ],
      },
    });
    const [, again, last] = readEvents(file).events;
    expect([...again!.settings!]).toEqual([
      ['model', 'm\u00f8'],
      ['lr', 0.3],
      ['half', false],
    ]);
    expect(last!.step).toBe(3_000_000_000);
  });

  test('goes on after a checkpoint as if the steps after it had not been', () => {
    const writer = new EventWriter(file);
    for (const step of [1, 2, 3, 4]) writer.scalars(step, [['train/loss', step]]);
    writer.close();
    const before = readFileSync(file);
    appendFileSync(file, before.subarray(0, 17));
    const keep = lengthUpTo(file, 2);
    const again = new EventWriter(file, keep);
    again.scalars(3, [['train/loss', 33]]);
    again.close();
    const after = readFileSync(file);
    expect(after.subarray(0, keep)).toEqual(before.subarray(0, keep));
    const { events, diagnostics } = readEvents(file);
    expect(diagnostics).toEqual([]);
    expect(events.flatMap(({ scalars }) => [...scalars.values()])).toEqual([1, 2, 33]);
    expect(lengthUpTo(join(root, 'none'), 9)).toBe(0);
    expect(lengthUpTo(file, 9)).toBe(after.byteLength);
  });
});

describe('a tensor with one element', () => {
  const varint = (value: number) => Buffer.from(protobuf.Writer.create().int64(value).finish());
  const tensor = (dtype: number, rest: Buffer, ...dims: number[]) => {
    const shape = Buffer.concat(dims.map((size) => Buffer.concat([Buffer.of(0x12, 2, 8), varint(size)])));
    return Buffer.concat([Buffer.of(8, dtype, 0x12, shape.byteLength), shape, rest]);
  };
  const content = (...bytes: number[]) => Buffer.of(0x22, bytes.length, ...bytes);

  test.each<[string, number, Buffer, number]>([
    ['float content', 1, content(0, 0, 0xc0, 0x3f), 1.5],
    ['float_val', 1, Buffer.of(0x2d, 0, 0, 0xc0, 0x3f), 1.5],
    ['packed float_val', 1, Buffer.of(0x2a, 4, 0, 0, 0xc0, 0x3f), 1.5],
    ['double content', 2, content(0, 0, 0, 0, 0, 0, 0xf8, 0xbf), -1.5],
    ['packed double_val', 2, Buffer.of(0x32, 8, 0, 0, 0, 0, 0, 0, 0xf8, 0xbf), -1.5],
    ['int32 content', 3, content(0xfe, 0xff, 0xff, 0xff), -2],
    ['packed int_val', 3, Buffer.concat([Buffer.of(0x3a, 10), varint(-2)]), -2],
    ['uint8 content', 4, content(200), 200],
    ['int16 content', 5, content(0xfe, 0xff), -2],
    ['int8 content', 6, content(0xfe), -2],
    ['int64 content', 9, content(0, 0, 0, 0, 1, 0, 0, 0), 2 ** 32],
    ['int64_val', 9, Buffer.concat([Buffer.of(0x50), varint(-7)]), -7],
    ['bool_val', 10, Buffer.of(0x5a, 1, 1), 1],
    ['bfloat16 content', 14, content(0xc0, 0x3f), 1.5],
    ['bfloat16 half_val', 14, Buffer.of(0x6a, 2, 0xc0, 0x7f), 1.5],
    ['bfloat16 half_val of NaN', 14, Buffer.of(0x6a, 3, 0xc0, 0xff, 1), Number.NaN],
    ['uint16 content', 17, content(0xfe, 0xff), 65534],
    ['half content', 19, content(0x00, 0xbe), -1.5],
    ['half_val', 19, Buffer.of(0x6a, 3, 0x80, 0xf8, 0x01), Number.POSITIVE_INFINITY],
    ['uint32_val', 22, Buffer.of(0x82, 0x01, 1, 9), 9],
    ['uint64_val', 23, Buffer.of(0x8a, 0x01, 1, 9), 9],
    ['nothing stored: zero', 1, Buffer.alloc(0), 0],
  ])('%s', (_name, dtype, rest, value) => {
    expect(scalarOfProto(tensor(dtype, rest))).toBe(value);
    expect(scalarOfProto(tensor(dtype, rest, 1, 1))).toBe(value);
    expect(scalarOfProto(tensor(dtype, rest, 2))).toBe(null);
  });

  test('is not a scalar when it is a text, or when its bytes do not fit its type', () => {
    expect(scalarOfProto(tensor(7, Buffer.of(0x42, 1, 65)))).toBe(null);
    expect(scalarOfProto(tensor(1, content(0, 0)))).toBe(null);
  });
});

/** Ends of the records of a file, found by their lengths alone. */
function recordEnds(bytes: Buffer): number[] {
  const ends: number[] = [];
  for (let at = 0; at < bytes.byteLength; ) ends.push((at += 16 + Number(bytes.readBigUInt64LE(at))));
  return ends;
}

/** Data of the records of a file, its checksums computed bit by bit. */
function recordsOf(bytes: Buffer): Buffer[] {
  let start = 0;
  return recordEnds(bytes).map((end) => {
    const record = bytes.subarray(start, end);
    start = end;
    expect(record.readUInt32LE(8)).toBe(masked(record.subarray(0, 8)));
    expect(record.readUInt32LE(record.byteLength - 4)).toBe(masked(record.subarray(12, -4)));
    return record.subarray(12, -4);
  });
}

function masked(bytes: Uint8Array): number {
  let crc = 0xffffffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0x82f63b78n : crc >> 1n;
  }
  crc ^= 0xffffffffn;
  return Number((((crc >> 15n) | (crc << 17n)) + 0xa282ead8n) & 0xffffffffn);
}

test('random changes of records, with checksums that fit, never throw and are skipped', () => {
  const records = LOTR.concat(LORA).flatMap((path) => recordsOf(readFileSync(path)));
  const random = new Uint32Array(noise(4 * 400, 5).buffer);
  let passedOver = 0;
  for (let i = 0; i < 400; i++) {
    const [which, at, how, size] = random.subarray(4 * i, 4 * i + 4) as unknown as [
      number,
      number,
      number,
      number,
    ];
    const data = Buffer.from(records[which % records.length]!);
    data[at % data.byteLength]! ^= 1 + (how % 255);
    const cut = size % 4 === 0 ? data.subarray(0, size % data.byteLength) : data;
    writeFileSync(file, framed(cut));
    const { events, diagnostics } = readEvents(file);
    expect(events.length + diagnostics.length).toBe(1);
    expect(() => logOf(events)).not.toThrow();
    passedOver += diagnostics.length;
  }
  expect(passedOver).toBeGreaterThan(20);
  expect(passedOver).toBeLessThan(380);
});

test('a link in the place of an event file leads to no other file', () => {
  const other = `${file}.other`;
  writeFileSync(other, 'kept');
  symlinkSync(other, file);
  for (const keep of [0, 1]) expect(() => new EventWriter(file, keep)).toThrow(/LOTR1201.*symbolic link/s);
  rmSync(file);
  linkSync(other, file);
  expect(() => new EventWriter(file, 1)).toThrow(/LOTR1201.*another name leads to the same file/s);
  new EventWriter(file).close();
  expect(readFileSync(other, 'utf8')).toBe('kept');
  expect(readEvents(file).diagnostics).toEqual([]);
});

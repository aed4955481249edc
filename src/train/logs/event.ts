import protobuf from 'protobufjs/minimal.js';
import { fields } from './fields.js';
import { decodeHparams, encodeHparams, type Settings } from './hparams.js';
import { scalarOfProto } from './tensor-proto.js';

/**
 * The parts of TensorBoard's messages that scalars need (tensorflow/core/util/event.proto, framework/summary.proto):
 * Event { wall_time = 1 double, step = 2 int64, file_version = 3 string, summary = 5 Summary, session_log = 7 },
 * SessionLog { status = 1 }, Summary { value = 1 },
 * Summary.Value { tag = 1, simple_value = 2 float, tensor = 8 TensorProto, metadata = 9 SummaryMetadata },
 * SummaryMetadata { plugin_data = 1 { plugin_name = 1, content = 2 } }.
 */
export interface ScalarEvent {
  /** seconds since 1970 */
  readonly wallTime: number;
  readonly step: number;
  readonly scalars: ReadonlyMap<string, number>;
  /** the writer started again here: earlier records of this step and later ones do not count */
  readonly restart: boolean;
  /** hyperparameters, as the HParams plugin stores them */
  readonly settings: Settings | null;
}

const FILE_VERSION = 'brain.Event:2';
const SESSION_START = 1;
const HPARAMS_TAG = '_hparams_/session_start_info';
const HPARAMS = 'hparams';

export function encodeVersion(wallTime: number): Uint8Array {
  return protobuf.Writer.create().uint32(9).double(wallTime).uint32(26).string(FILE_VERSION).finish();
}

/** Values are stored as float32. */
export function encodeScalars(
  wallTime: number,
  step: number,
  scalars: Iterable<[string, number]>,
): Uint8Array {
  const writer = protobuf.Writer.create().uint32(9).double(wallTime).uint32(16).int64(step);
  writer.uint32(42).fork();
  for (const [tag, value] of scalars) {
    writer.uint32(10).fork().uint32(10).string(tag).uint32(21).float(value).ldelim();
  }
  return writer.ldelim().finish();
}

/** The event that shows a run's settings under TensorBoard's HParams. */
export function encodeSettings(wallTime: number, settings: Settings): Uint8Array {
  const writer = protobuf.Writer.create().uint32(9).double(wallTime);
  writer.uint32(42).fork().uint32(10).fork().uint32(10).string(HPARAMS_TAG);
  writer.uint32(74).fork().uint32(10).fork().uint32(10).string(HPARAMS);
  writer.uint32(18).bytes(encodeHparams(wallTime, settings));
  return writer.ldelim().ldelim().ldelim().ldelim().finish();
}

/** An event with its scalars; events of other kinds have none. Throws a plain Error when the bytes are not Event. */
export function decodeEvent(bytes: Uint8Array): ScalarEvent {
  const found: EventValues = { scalars: new Map(), settings: null };
  let [wallTime, step, restart] = [0, 0, false];
  for (const { tag, reader } of fields(bytes)) {
    if (tag === 9) wallTime = reader.double();
    else if (tag === 16) step = stepOf(Number(reader.int64()));
    else if (tag === 42) decodeSummary(reader.bytes(), found);
    else if (tag === 58) restart = sessionStatus(reader.bytes()) === SESSION_START;
  }
  return { wallTime, step, restart, ...found };
}

/** A step that a number can hold. Throws for others: rounded, they would be the steps of other events. */
function stepOf(step: number): number {
  if (!Number.isSafeInteger(step)) throw new Error(`its step is ${step}`);
  return step;
}

interface EventValues {
  readonly scalars: Map<string, number>;
  settings: Settings | null;
}

function sessionStatus(bytes: Uint8Array): number {
  let status = 0;
  for (const { tag, reader } of fields(bytes)) if (tag === 8) status = reader.int32();
  return status;
}

function decodeSummary(bytes: Uint8Array, into: EventValues): void {
  for (const { tag, reader } of fields(bytes)) if (tag === 10) decodeValue(reader.bytes(), into);
}

function decodeValue(bytes: Uint8Array, into: EventValues): void {
  let name = '';
  let value: number | null = null;
  let plugin: Plugin = { name: '', content: new Uint8Array() };
  for (const { tag, reader } of fields(bytes)) {
    if (tag === 10) name = reader.string();
    else if (tag === 21) value = reader.float();
    else if (tag === 66) value = scalarOfProto(reader.bytes());
    else if (tag === 74) plugin = pluginOf(reader.bytes());
  }
  if (plugin.name === HPARAMS) into.settings = decodeHparams(plugin.content) ?? into.settings;
  else if (value !== null && (plugin.name === '' || plugin.name === 'scalars')) into.scalars.set(name, value);
}

interface Plugin {
  readonly name: string;
  readonly content: Uint8Array;
}

/** `plugin_data` of a SummaryMetadata. */
function pluginOf(metadata: Uint8Array): Plugin {
  let name = '';
  let content = new Uint8Array();
  for (const outer of fields(metadata)) {
    if (outer.tag !== 10) continue;
    for (const { tag, reader } of fields(outer.reader.bytes())) {
      if (tag === 10) name = reader.string();
      else if (tag === 18) content = new Uint8Array(reader.bytes());
    }
  }
  return { name, content };
}

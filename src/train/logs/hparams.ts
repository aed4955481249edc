import protobuf from 'protobufjs/minimal.js';
import { fields } from './fields.js';

/** Constants of a whole run: hyperparameters and where it ran. */
export type Settings = ReadonlyMap<string, Setting>;
export type Setting = string | number | boolean;

/**
 * TensorBoard's HParams plugin (tensorboard/plugins/hparams/plugin_data.proto, api.proto):
 * HParamsPluginData { version = 1, session_start_info = 3 }, SessionStartInfo { hparams = 1 map<string, Value>,
 * start_time_secs = 5 double }, google.protobuf.Value { number_value = 2, string_value = 3, bool_value = 4 }.
 */
export function encodeHparams(wallTime: number, settings: Settings): Uint8Array {
  const writer = protobuf.Writer.create().uint32(26).fork();
  for (const [name, value] of settings) {
    writer.uint32(10).fork().uint32(10).string(name).uint32(18).fork();
    if (typeof value === 'number') writer.uint32(17).double(value);
    else if (typeof value === 'string') writer.uint32(26).string(value);
    else writer.uint32(32).bool(value);
    writer.ldelim().ldelim();
  }
  return writer.uint32(41).double(wallTime).ldelim().finish();
}

/** The hyperparameters of a session's start; null when the message is about something else. */
export function decodeHparams(bytes: Uint8Array): Settings | null {
  let settings: Map<string, Setting> | null = null;
  for (const { tag, reader } of fields(bytes)) {
    if (tag === 26) decodeStart(reader.bytes(), (settings ??= new Map()));
  }
  return settings;
}

function decodeStart(bytes: Uint8Array, into: Map<string, Setting>): void {
  for (const start of fields(bytes)) {
    if (start.tag !== 10) continue;
    let name = '';
    let value: Setting | null = null;
    for (const { tag, reader } of fields(start.reader.bytes())) {
      if (tag === 10) name = reader.string();
      else if (tag === 18) value = decodeSetting(reader.bytes());
    }
    if (value !== null) into.set(name, value);
  }
}

function decodeSetting(bytes: Uint8Array): Setting | null {
  let value: Setting | null = null;
  for (const { tag, reader } of fields(bytes)) {
    if (tag === 17) value = reader.double();
    else if (tag === 26) value = reader.string();
    else if (tag === 32) value = reader.bool();
  }
  return value;
}

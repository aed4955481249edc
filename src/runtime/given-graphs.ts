import { noProjection } from '../backends/codes/runtime.js';
import { sessionSettings } from '../backends/ort/session-settings.js';
import { badTrainingFolder } from '../ir/codes/train.js';
import { fail } from '../ir/diagnostics.js';
import { JsonError, parseJson } from '../ir/files/json.js';
import { SchemaError } from '../ir/files/schema.js';
import { fileIn } from '../train/graph-of.js';
import { requireState } from '../train/require-state.js';
import { LocalRunner } from '../train/runner/local.js';
import type { GraphRunner, HeldTensors, OpenGraph } from '../train/runner/runner.js';
import type { Signature, TrainingEp } from '../train/signature.js';
import { signatureSchemaOf } from '../train/signature-schema.js';
import { requireBase } from './base.js';
import { type GivenFiles, placeOf, type ReadFile, type ReadOptions, readerOf } from './files.js';
import { type ExternalFile, GivenSession, openGiven } from './given-sessions.js';
import type { OrtModule } from './ort-like.js';
import { heldOf, parseTensorFile } from './tensor-file.js';

/** In what the graphs of a training directory run. */
export interface GivenGraphs extends ReadOptions {
  /** the module `onnxruntime-web` or `onnxruntime-node` */
  readonly ort: OrtModule;
  /** its execution provider */
  readonly ep: TrainingEp;
  /** further options of ONNX Runtime's sessions, such as intraOpNumThreads */
  readonly session?: Readonly<Record<string, unknown>>;
}

/** The graphs of a training directory, ready to run, and the state that they begin with. */
export interface OpenedGraphs {
  /** what messages call the directory */
  readonly label: string;
  readonly signature: Signature;
  readonly runner: GraphRunner;
  readonly state: HeldTensors;
  /** of `state.safetensors`: the plan of the adapter */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Opens a training directory; graphs are loaded when they first run, and the base weights are read once for all of them. Throws
 * LotrcError when a file is missing or damaged.
 */
export async function openGraphs(files: GivenFiles, options: GivenGraphs): Promise<OpenedGraphs> {
  const read = readerOf(files, options);
  const label = placeOf(files);
  const signature = signatureFrom(await read('signature.json'), fileIn(label, 'signature.json'));
  if (signature.changes) fail(noProjection({ kind: signature.optimizer.kind }));
  const stateFile = fileIn(label, 'state.safetensors');
  const { tensors, metadata } = parseTensorFile(await read('state.safetensors'), stateFile);
  requireState(stateFile, signature, tensors);
  const runner = new LocalRunner({ label, signature }, graphsFrom(read, label, signature, options), null);
  return { label, signature, runner, state: heldOf(tensors), metadata };
}

function signatureFrom(bytes: Uint8Array, file: string): Signature {
  const refuse = (why: string): never => fail(badTrainingFolder({ file, why }));
  try {
    const signature = signatureSchemaOf([])(parseJson(new TextDecoder().decode(bytes)), '');
    for (const name of [...graphFiles(signature), ...signature.base.map(({ location }) => location)])
      if (/^[/\\]|^\w+:|(^|[/\\])\.{0,2}([/\\]|$)/.test(name))
        refuse(`${JSON.stringify(name)} is not the path of a file in this folder`);
    return signature;
  } catch (error) {
    if (error instanceof SchemaError) return refuse(error.message);
    if (error instanceof JsonError)
      return refuse(`it cannot be read as JSON: ${error.message} (at character ${error.offset})`);
    throw error;
  }
}

const graphFiles = ({ graphs }: Signature): string[] => Object.values(graphs).map(({ file }) => file);

/** Loads graphs, each with the base weights, which are read with the first. */
function graphsFrom(read: ReadFile, label: string, signature: Signature, given: GivenGraphs): OpenGraph {
  const { ort, ep, session: further } = given;
  let base: Promise<readonly ExternalFile[]> | null = null;
  return async ({ file: name, onCpu = [] }, file, kept) => {
    base ??= baseFiles(read, label, signature);
    const [model, externalData] = await Promise.all([read(name), base]);
    const settings = {
      ...sessionSettings({ ep, onCpu, config: signature.session }),
      externalData,
      ...(ep === 'webgpu' && kept.length > 0
        ? { preferredOutputLocation: Object.fromEntries(kept.map((output) => [output, 'gpu-buffer'])) }
        : {}),
      ...further,
    };
    return new GivenSession(ort, await openGiven(ort, model, settings, { file, ep }), file);
  };
}

/** The base weights, checked against the signature. Throws LOTR8201 when they are others. */
async function baseFiles(
  read: ReadFile,
  label: string,
  { base }: Signature,
): Promise<readonly ExternalFile[]> {
  const files: ExternalFile[] = [];
  for (const row of base) {
    const data = await read(row.location);
    await requireBase(fileIn(label, row.location), data, row);
    files.push({ path: row.location, data });
  }
  return files;
}

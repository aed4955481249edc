import { PLAN_KEY } from '../adapter/saved-plan.js';
import { adapterUnfit, adapterUnknown, notSwappable } from '../backends/codes/runtime.js';
import { sessionSettings } from '../backends/ort/session-settings.js';
import { fail } from '../ir/diagnostics.js';
import { bare } from '../ir/keys.js';
import type { TrainingEp } from '../train/signature.js';
import { type AdapterPlan, planFrom, sameDescription } from './adapter-plan.js';
import { bytesOf, type GivenBytes, type GivenFiles, type ReadOptions, readerOf } from './files.js';
import { type ExternalFile, openGiven, tensorFor } from './given-sessions.js';
import { type FactorNumbers, type FactorPort, type MixPart, mixed, switchedOff } from './mix.js';
import { modelHead } from './model-head.js';
import type { OrtModule, OrtSessionLike, OrtTensorLike } from './ort-like.js';
import { type FileBytes, parseTensorFile } from './tensor-file.js';

/** How a model with swappable adapters is run. */
export interface GivenModel extends ReadOptions {
  /** the module `onnxruntime-web` or `onnxruntime-node` */
  readonly ort: OrtModule;
  /** its execution provider; default: what it chooses itself */
  readonly ep?: TrainingEp;
  /** where files with weights are that the model refers to; default: the folder of its address */
  readonly files?: GivenFiles;
  /** further options of ONNX Runtime's session, such as intraOpNumThreads */
  readonly session?: Readonly<Record<string, unknown>>;
}

type Held = Pick<MixPart, 'factors' | 'ratios'>;

/**
 * A model whose adapters are swapped without loading it again: one that was written with `lotrc rewrite --factors inputs`. The base
 * is in memory once, and each adapter as the bytes of its file.
 */
export class AdapterSession {
  readonly #ort: OrtModule;
  readonly #session: OrtSessionLike;
  readonly #ports: readonly FactorPort[];
  readonly #plan: AdapterPlan;
  readonly #adapters = new Map<string, Held>();
  #used: ReadonlyMap<string, number> = new Map();
  #factors: Readonly<Record<string, OrtTensorLike>> | null = null;

  private constructor(
    ort: OrtModule,
    session: OrtSessionLike,
    ports: readonly FactorPort[],
    plan: AdapterPlan,
  ) {
    this.#ort = ort;
    this.#session = session;
    this.#ports = ports;
    this.#plan = plan;
  }

  /**
   * Loads a model, from its address or its bytes, with no adapter in use. Throws LOTR8122 for a model whose factors are not inputs,
   * LOTR8110 when ONNX Runtime refuses it, LOTR8120 for a file that cannot be fetched.
   */
  static async open(
    model: string | { readonly href: string } | GivenBytes,
    options: GivenModel,
  ): Promise<AdapterSession> {
    const { ort, ep, session: further } = options;
    const address = typeof model === 'string' ? model : 'href' in model ? model.href : null;
    const file = address ?? 'the model';
    const cut = file.lastIndexOf('/') + 1;
    const folder = address === null ? '' : file.slice(0, cut);
    const bytes =
      address === null
        ? await bytesOf(model as GivenBytes)
        : await readerOf(folder, options)(file.slice(cut));
    const head = headOf(bytes, file);
    const read = readerOf(options.files ?? folder, options);
    const externalData: ExternalFile[] = [];
    for (const path of head.external) externalData.push({ path, data: await read(path) });
    const settings = { ...(ep ? sessionSettings({ ep }) : {}), externalData, ...further };
    const session = await openGiven(ort, bytes, settings, { file, ep: ep ?? 'default' });
    try {
      const made = new AdapterSession(ort, session, portsOf(session, head.plan, file), head.plan);
      // a model whose adapters cannot be switched off waits for its first one
      if (made.#ports.every(({ row }) => row.spec.wrap !== 'column-norm')) made.use(null);
      return made;
    } catch (error) {
      await session.release();
      throw error;
    }
  }

  /** Names of the model's own inputs. */
  get inputNames(): readonly string[] {
    const factors = new Set(this.#ports.map(({ name }) => name));
    return this.#session.inputNames.filter((name) => !factors.has(name));
  }

  get outputNames(): readonly string[] {
    return this.#session.outputNames;
  }

  /** Names of the adapters that are loaded. */
  get adapters(): readonly string[] {
    return [...this.#adapters.keys()];
  }

  /** Adapters in use and their weights. */
  get used(): ReadonlyMap<string, number> {
    return this.#used;
  }

  /**
   * Keeps an adapter file of lotrc under a name, in place of another one of that name, of any rank that the model leaves open. Throws
   * LOTR7001 for another file, LOTR8124 when it was made for another model.
   */
  async load(name: string, file: GivenBytes): Promise<void> {
    const bytes = await bytesOf(file);
    this.#adapters.set(name, this.#fitted(name, bytes));
    if (this.#used.has(name)) this.use(Object.fromEntries(this.#used));
  }

  /** Forgets an adapter; one that is in use is switched off. */
  unload(name: string): void {
    if (this.#used.has(name)) this.use(null);
    this.#adapters.delete(name);
  }

  /**
   * Chooses what the next runs compute with: an adapter, several with their weights, or none. Throws LOTR8121 for a name that is not
   * loaded, LOTR8123 for adapters that cannot be mixed exactly.
   */
  use(choice: string | Readonly<Record<string, number>> | null): void {
    const weights = new Map(
      typeof choice === 'string' ? [[choice, 1] as const] : Object.entries(choice ?? {}),
    );
    const parts: MixPart[] = [];
    for (const [name, weight] of weights) {
      const held = this.#adapters.get(name) ?? fail(adapterUnknown({ name, known: this.adapters }));
      if (!Number.isFinite(weight))
        fail(adapterUnfit({ file: name, why: `its weight ${weight} is not a number` }));
      if (weight !== 0) parts.push({ name, weight, ...held });
    }
    const factors = parts.length === 0 ? switchedOff(this.#ports) : mixed(this.#ports, parts);
    const tensors = bare<OrtTensorLike>();
    for (const { name, type } of this.#ports)
      tensors[name] = tensorFor(this.#ort, { type, ...factors.get(name)! });
    this.#factors = tensors;
    this.#used = weights;
  }

  /** The factors in use, as inputs: for programs that run the session themselves. */
  get factorFeeds(): Readonly<Record<string, OrtTensorLike>> {
    if (!this.#factors) this.use(null);
    return this.#factors!;
  }

  /** Runs the model with the adapters in use. */
  run(
    feeds: Readonly<Record<string, OrtTensorLike>>,
    outputs?: readonly string[],
  ): Promise<Readonly<Record<string, OrtTensorLike>>> {
    const all = Object.assign(bare<OrtTensorLike>(), this.factorFeeds, feeds);
    return outputs ? this.#session.run(all as never, outputs as never) : this.#session.run(all as never);
  }

  close(): Promise<void> {
    return this.#session.release();
  }

  /** The factors of an adapter file as the model takes them. */
  #fitted(name: string, bytes: Uint8Array): Held {
    const refuse = (why: string): never => fail(adapterUnfit({ file: name, why }));
    const { tensors, metadata } = parseTensorFile(bytes, name);
    const plan =
      readPlan(metadata[PLAN_KEY], refuse) ??
      refuse('it carries no plan: it is not an adapter file of lotrc');
    const factors = new Map<string, FactorNumbers>();
    const ratios = new Map<string, number>();
    const extents = new Map<string, number>();
    for (const port of this.#ports) {
      const [tensor, own] = [tensors.get(port.name), plan.factors.get(port.name)];
      if (!tensor || !own) return refuse(`it has no factor "${port.name}"`);
      if (own.factor !== port.factor || !sameDescription(own.row, port.row))
        refuse(
          `its "${port.name}" is a factor of ${own.row.spec.delta}, and that of the model one of ${port.row.spec.delta}`,
        );
      requireShape(port, tensor.shape, extents, refuse);
      factors.set(port.name, numbersOf(port, tensor, refuse));
      if (own.scale !== null && port.scale !== null) ratios.set(port.name, own.scale / port.scale);
    }
    const known = this.#plan.factors;
    const strange = [...tensors.keys()].find((key) => !factors.has(key) && !known.get(key)?.seeded);
    if (strange !== undefined) refuse(`its "${strange}" is not an input of the model`);
    for (const [key, { seeded, row }] of known) {
      const own = plan.factors.get(key);
      if (seeded && own && own.row.seed !== row.seed)
        refuse(`its "${key}" follows from the seed ${own.row.seed}, and that of the model from ${row.seed}`);
    }
    return { factors, ratios };
  }
}

function readPlan(text: string | undefined, refuse: (why: string) => never): AdapterPlan | null {
  try {
    return planFrom(text);
  } catch (error) {
    return refuse((error as Error).message);
  }
}

function headOf(
  bytes: Uint8Array,
  file: string,
): { readonly plan: AdapterPlan; readonly external: readonly string[] } {
  let head: ReturnType<typeof modelHead>;
  try {
    head = modelHead(bytes);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return fail(notSwappable({ file, why: `it is not an ONNX model: ${error.message}` }));
  }
  const refuse = (why: string): never => fail(notSwappable({ file, why }));
  const plan = readPlan(head.metadata.get(PLAN_KEY), refuse) ?? refuse('the model has no adapters of lotrc');
  return { plan, external: head.external };
}

/** The inputs that are factors. Throws LOTR8122 when a factor of the plan is not an input. */
function portsOf(session: OrtSessionLike, { factors }: AdapterPlan, file: string): readonly FactorPort[] {
  const refuse = (why: string): never => fail(notSwappable({ file, why }));
  const inputs = new Map(session.inputMetadata.map((port) => [port.name, port]));
  return [...factors].flatMap(([name, factor]): FactorPort[] => {
    if (factor.seeded) return [];
    const { type, shape } = inputs.get(name) ?? refuse(`its factor "${name}" is not an input`);
    if (type !== 'float32' && type !== 'float16') return refuse(`its factor "${name}" is ${type}`);
    return [{ ...factor, name, type, shape: shape! }];
  });
}

const DTYPES = { float32: 'f32', float16: 'f16' } as const;

/** The numbers of a tensor of a file: a view where they lie at a place that allows it. */
function numbersOf(
  { name, type }: FactorPort,
  { dtype, shape: dims, bytes }: FileBytes,
  refuse: (why: string) => never,
): FactorNumbers {
  if (dtype !== DTYPES[type]) refuse(`its "${name}" is ${dtype}, and the model takes ${DTYPES[type]}`);
  const Numbers = type === 'float16' ? Uint16Array : Float32Array;
  const width = Numbers.BYTES_PER_ELEMENT;
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  return { dims, data: new Numbers(buffer as ArrayBuffer, byteOffset, byteLength / width) };
}

/** Throws when a tensor has other extents than the model says, or another rank than factors that it meets. */
function requireShape(
  { name, shape }: FactorPort,
  found: readonly number[],
  extents: Map<string, number>,
  refuse: (why: string) => never,
): void {
  const fits = (extent: number | string, axis: number): boolean => {
    const wanted = typeof extent === 'number' ? extent : (extents.get(extent) ?? found[axis]!);
    if (typeof extent === 'string') extents.set(extent, wanted);
    return wanted === found[axis];
  };
  if (found.length !== shape.length || !shape.every(fits)) {
    const wanted = shape.map((extent) =>
      typeof extent === 'number' ? extent : (extents.get(extent) ?? extent),
    );
    refuse(`its "${name}" is [${found.join(',')}], and the model takes [${wanted.join(',')}]`);
  }
}

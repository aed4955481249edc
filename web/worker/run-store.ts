import { cannotWrite } from '../../src/ir/codes/load.js';
import { fail } from '../../src/ir/diagnostics.js';
import type { AllTexts, EvaluationView, ProviderView, Role, SampleView, StepView } from '../protocol.js';

/** The run that the browser keeps for this page, in the origin-private file system. */

/** What a run was started with. The model with adapters and the graphs are made of it again, in the same bytes. */
export interface StoredRun {
  readonly version: 1;
  readonly files: readonly { readonly name: string; readonly role: Role }[];
  readonly texts: AllTexts;
  readonly provider: ProviderView['name'];
  /** threads of ONNX Runtime: the bits depend on them */
  readonly threads: number;
}

/** What the page showed until a checkpoint. */
export interface StoredRows {
  readonly steps: readonly StepView[];
  readonly evaluations: readonly EvaluationView[];
  readonly samples: readonly SampleView[];
}

const FOLDER = 'lotrc-run';
const SETTINGS = 'run.json';
const ROWS = 'rows.json';
export type RunFile = 'checkpoint.safetensors' | 'best.safetensors';

export class RunStore {
  readonly #root: FileSystemDirectoryHandle;

  private constructor(root: FileSystemDirectoryHandle) {
    this.#root = root;
  }

  /** Null, with the reason, where this browser keeps no files for a page. */
  static async open(): Promise<RunStore | string> {
    if (!navigator.storage?.getDirectory) return 'this browser has no origin-private file system';
    if (!('createWritable' in FileSystemFileHandle.prototype))
      return 'this browser cannot replace files as a whole';
    try {
      return new RunStore(await navigator.storage.getDirectory());
    } catch (error) {
      return `this browser keeps no files here: ${(error as Error).message}`;
    }
  }

  /** What the run that is held was started with; null when there is none. */
  async settings(): Promise<StoredRun | null> {
    const file = await this.#read(SETTINGS);
    return file ? (JSON.parse(await file.text()) as StoredRun) : null;
  }

  /** Keeps what a run was started with; it is there when its settings are. Throws LOTR1201. */
  async begin(settings: StoredRun, files: ReadonlyMap<string, Blob>): Promise<void> {
    for (const [index, { name }] of settings.files.entries())
      await this.#put(inputName(index), files.get(name)!);
    await this.put(SETTINGS, JSON.stringify(settings));
  }

  /** A run whose settings are gone is none, whatever else is left of it. */
  async clear(): Promise<void> {
    const folder = await this.#folder();
    await folder.removeEntry(SETTINGS).catch(() => undefined);
    await this.#root.removeEntry(FOLDER, { recursive: true });
  }

  /** The files that a run was started with, under their names. */
  async inputs({ files }: StoredRun): Promise<ReadonlyMap<string, File>> {
    const found = new Map<string, File>();
    for (const [index, { name }] of files.entries()) {
      const file = await this.#read(inputName(index));
      if (file) found.set(name, new File([file], name));
    }
    return found;
  }

  async rows(): Promise<StoredRows | null> {
    const file = await this.#read(ROWS);
    return file ? (JSON.parse(await file.text()) as StoredRows) : null;
  }

  putRows(rows: StoredRows): Promise<void> {
    return this.put(ROWS, JSON.stringify(rows));
  }

  async bytes(name: RunFile): Promise<Uint8Array | null> {
    const file = await this.#read(name);
    return file && new Uint8Array(await file.arrayBuffer());
  }

  /** Writes a file whole or not at all: it is another one until it is closed. Throws LOTR1201. */
  put(name: RunFile | typeof ROWS | typeof SETTINGS, content: Uint8Array | string): Promise<void> {
    return this.#put(name, content);
  }

  async #put(name: string, content: Uint8Array | string | Blob): Promise<void> {
    try {
      const handle = await (await this.#folder()).getFileHandle(name, { create: true });
      const writable = await handle.createWritable();
      await writable.write(content as FileSystemWriteChunkType);
      await writable.close();
    } catch (error) {
      fail(cannotWrite({ file: name, why: (error as Error).message }));
    }
  }

  async #read(name: string): Promise<File | null> {
    try {
      const file = await (await (await this.#folder()).getFileHandle(name)).getFile();
      // a file that was made and never closed is empty
      return file.size > 0 ? file : null;
    } catch {
      return null;
    }
  }

  #folder(): Promise<FileSystemDirectoryHandle> {
    return this.#root.getDirectoryHandle(FOLDER, { create: true });
  }
}

const inputName = (index: number): string => `input-${index}`;

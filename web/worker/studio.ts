import { cannotFetch } from '../../src/backends/codes/runtime.js';
import { type Adapter, apply, encodeModel, encodeSafetensors, merge } from '../../src/core.js';
import { cannotWrite } from '../../src/ir/codes/load.js';
import { fail } from '../../src/ir/diagnostics.js';
import { refuseUsage } from '../../src/options/usage.js';
import { loweringOf } from '../../src/rewrite-values.js';
import type {
  About,
  AllTexts,
  Calls,
  Download,
  ProjectView,
  RewriteView,
  Role,
  RunEnd,
  RunEvent,
  Texts,
  TrainRequest,
} from '../protocol.js';
import { SAMPLES } from '../samples.js';
import { type Adapted, adaptedOf } from './adapted.js';
import { fieldsOf, valuesIn } from './fields.js';
import { KeptRun } from './kept-run.js';
import { openProject, type Project, rolesOf, viewOf } from './project.js';
import { RunStore, type StoredRun } from './run-store.js';
import { providersHere, runtimeFor, threadsHere } from './runtime.js';
import { trainHere } from './training.js';

/** A run of this visit, and what it made. */
interface Current {
  readonly project: Project;
  readonly adapted: Adapted;
  readonly kept: KeptRun;
  adapter: Adapter | null;
}

/** What the page asks for: one project at a time, and one run. */
export class Studio implements Calls {
  readonly #tell: (event: RunEvent) => void;
  readonly #store = RunStore.open();
  #project: Project | null = null;
  #adapted: Adapted | null = null;
  #current: Current | null = null;
  #running = false;
  #asked = false;

  constructor(tell: (event: RunEvent) => void) {
    this.#tell = tell;
  }

  async about(): Promise<About> {
    const store = await this.#store;
    return {
      fields: { rewrite: fieldsOf('rewrite'), emit: fieldsOf('emit'), train: fieldsOf('train') },
      providers: await providersHere(),
      samples: SAMPLES.map(({ name, title, about }) => ({ name, title, about })),
      held: typeof store === 'string' ? null : await heldIn(store),
      withoutCheckpoints: typeof store === 'string' ? store : null,
    };
  }

  async open(files: readonly File[]): Promise<ProjectView> {
    const named = new Map(files.map((file) => [file.name, file]));
    return this.#take(named, rolesOf([...named.keys()]), null);
  }

  async sample(name: string): Promise<ProjectView> {
    const { files, texts } = SAMPLES.find((one) => one.name === name)!;
    const fetched = await Promise.all(
      files.map(async ({ name: file, url, bytes }): Promise<readonly [string, File]> => {
        const answer = await fetch(url);
        if (!answer.ok) fail(cannotFetch({ file, why: `the server answers ${answer.status}` }));
        const blob = await answer.blob();
        return [file, new File([bytes === undefined ? blob : blob.slice(0, bytes)], file)];
      }),
    );
    return this.#take(new Map(fetched), new Map(files.map((file) => [file.name, file.role])), texts);
  }

  async assign(name: string, role: Role): Promise<ProjectView> {
    const { files, roles } = this.#opened();
    // what had the role is beside the others now
    const others = [...roles].map(([other, own]): [string, Role] => [other, own === role ? 'beside' : own]);
    return this.#take(files, new Map<string, Role>([...others, [name, role]]), null);
  }

  async rewrite(texts: Texts): Promise<RewriteView> {
    return (await this.#adaptedFor(this.#opened(), texts)).view;
  }

  async train({ texts, provider }: TrainRequest): Promise<RunEnd> {
    const project = this.#opened();
    return this.#alone(async () => {
      const adapted = await this.#adaptedFor(project, texts.rewrite);
      const store = await this.#store;
      const files = [...project.roles].map(([name, role]) => ({ name, role }));
      const settings: StoredRun = { version: 1, files, texts, provider, threads: threadsHere() };
      const kept = new KeptRun(settings, project.files, typeof store === 'string' ? null : store);
      return this.#go({ project, adapted, kept, adapter: null });
    });
  }

  async restore(): Promise<ProjectView> {
    const { settings, store } = await this.#held();
    const files = await store.inputs(settings);
    return this.#take(files, new Map(settings.files.map(({ name, role }) => [name, role])), settings.texts);
  }

  async resume(): Promise<RunEnd> {
    return this.#alone(async () => this.#go(this.#current ?? (await this.#fromStore())));
  }

  async pause(): Promise<void> {
    this.#asked = true;
  }

  async forget(): Promise<void> {
    if (this.#running) refuseUsage('the run is not ended: pause it first');
    const store = await this.#store;
    if (typeof store !== 'string') await store.clear();
    this.#current = null;
  }

  async file(what: Download): Promise<{ readonly name: string; readonly bytes: Uint8Array }> {
    const { project, adapted, kept, adapter } = this.#current ?? refuseUsage('there is no run yet');
    if (!adapter) return refuseUsage('the run has no adapter yet: pause it, or wait for its end');
    const { stem, base } = project;
    if (what === 'adapter') {
      return { name: `${stem}.safetensors`, bytes: encodeSafetensors(adapter.tensors, adapter.metadata) };
    }
    if (what === 'adapted') {
      const model = base.read();
      apply(model, adapter, { lowering: loweringOf(valuesIn('rewrite', kept.settings.texts.rewrite)) });
      return { name: `${stem}.lotr.onnx`, bytes: encodeModel(model) };
    }
    const model = adapted.opened.read();
    merge(model, adapter);
    return { name: `${stem}.merged.onnx`, bytes: encodeModel(model) };
  }

  async #take(
    files: ReadonlyMap<string, File>,
    roles: ReadonlyMap<string, Role>,
    texts: AllTexts | null,
  ): Promise<ProjectView> {
    const project = await openProject(files, roles);
    const view = viewOf(project, texts);
    this.#project = project;
    this.#adapted = null;
    return view;
  }

  #opened(): Project {
    return this.#project ?? refuseUsage('there is no model yet: give an .onnx file, or take a sample');
  }

  async #adaptedFor(project: Project, texts: Texts): Promise<Adapted> {
    if (this.#adapted?.key !== JSON.stringify(texts)) this.#adapted = await adaptedOf(project, texts);
    return this.#adapted;
  }

  async #held(): Promise<{ readonly settings: StoredRun; readonly store: RunStore }> {
    const store = await this.#store;
    const settings = typeof store === 'string' ? null : await store.settings();
    if (typeof store === 'string' || !settings) return refuseUsage('there is no run to go on with');
    return { settings, store };
  }

  async #fromStore(): Promise<Current> {
    const { settings, store } = await this.#held();
    const project = this.#opened();
    const adapted = await this.#adaptedFor(project, settings.texts.rewrite);
    return { project, adapted, kept: await KeptRun.from(settings, project.files, store), adapter: null };
  }

  async #go(current: Current): Promise<RunEnd> {
    this.#current = current;
    this.#asked = false;
    const { project, adapted, kept } = current;
    const ort = await runtimeFor(kept.settings.provider, kept.settings.threads);
    const { end, adapter } = await trainHere({
      ...{ ort, project, adapted, kept, tell: this.#tell },
      interrupted: () => this.#asked,
    });
    current.adapter = adapter;
    return end;
  }

  /** One run at a time, in all tabs of the page: they have one store. Throws LOTR1201. */
  async #alone(act: () => Promise<RunEnd>): Promise<RunEnd> {
    if (this.#running) return refuseUsage('a run goes on already');
    this.#running = true;
    try {
      return await navigator.locks.request('lotrc-run', { ifAvailable: true }, (lock) => {
        if (!lock) fail(cannotWrite({ file: 'the run', why: 'another tab of this page trains it' }));
        return act();
      });
    } finally {
      this.#running = false;
    }
  }
}

async function heldIn(store: RunStore): Promise<About['held']> {
  const settings = await store.settings();
  if (!settings) return null;
  const { steps = [] } = (await store.rows()) ?? {};
  const model = settings.files.find(({ role }) => role === 'model')?.name ?? '';
  return { model, step: steps.at(-1)?.step ?? 0 };
}

import { num } from '../../cli/text.js';
import {
  type About,
  type Download,
  type ProjectView,
  type ProviderView,
  type RewriteView,
  ROLES,
  type Role,
  type RunEnd,
  type RunEvent,
} from '../protocol.js';
import { byId, made, rowOf } from './elements.js';
import { allTexts, fillFields, showFields, textsOf } from './fields.js';
import { clearMessages, showDiagnostic, showRefusal } from './messages.js';
import { showEvaluation, showRun, showSample, showStep } from './run-view.js';
import { startWorker } from './worker-calls.js';

const button = (id: string) => byId<HTMLButtonElement>(id);
const say = (text: string): void => {
  byId('status').textContent = text;
};

const worker = startWorker(heard, (why) => {
  say('The worker of this page ended. Load the page again: a run goes on from its last checkpoint.');
  console.error(why);
});

/** What the page knows of the state of its worker. */
const state = { project: false, running: false, paused: false, adapter: false, held: false };

function refresh(): void {
  const { project, running, paused, adapter, held } = state;
  button('train').disabled = running || !project;
  button('rewrite').disabled = running || !project;
  button('pause').disabled = !running;
  button('resume').disabled = running || !paused;
  for (const each of document.querySelectorAll<HTMLButtonElement>('.download'))
    each.disabled = running || !adapter;
  for (const each of document.querySelectorAll<HTMLButtonElement>('#samples button')) each.disabled = running;
  byId<HTMLInputElement>('files').disabled = running;
  byId('held').hidden = !held || running;
}

/** Asks the worker; shows why it refuses. */
async function asked<T>(what: string, call: () => Promise<T>): Promise<T | null> {
  clearMessages();
  say(`${what} ...`);
  try {
    const value = await call();
    say('');
    return value;
  } catch (error) {
    say('');
    showRefusal(error);
    return null;
  }
}

async function start(): Promise<void> {
  // what scrolls is reached by keys
  for (const each of document.querySelectorAll<HTMLElement>('.scroll')) each.tabIndex = 0;
  refresh();
  const about = await asked('Starting', () => worker.about());
  if (!about) return;
  showFields(about.fields);
  showProviders(about.providers);
  showSamples(about.samples);
  showHeld(about.held);
  byId('checkpoints').textContent = about.withoutCheckpoints
    ? `A run does not survive closing this tab: ${about.withoutCheckpoints}.`
    : 'Checkpoints are kept in this browser: a run survives closing or reloading this tab.';
}

function showProviders(providers: readonly ProviderView[]): void {
  const best = providers.findLast(({ usable }) => usable)!;
  for (const { name, usable, why } of providers) {
    const id = `provider-${name}`;
    const input = made('input', {
      type: 'radio',
      name: 'provider',
      id,
      value: name,
      disabled: !usable,
      checked: name === best.name,
    });
    byId('providers').append(made('p', {}, input, ' ', made('label', { htmlFor: id }, `${name}: ${why}`)));
  }
}

function showSamples(samples: About['samples']): void {
  for (const { name, title, about } of samples) {
    const take = made('button', { type: 'button', id: `sample-${name}` }, title);
    take.addEventListener('click', async () =>
      showProject(await asked('Loading the sample', () => worker.sample(name))),
    );
    byId('samples').append(made('div', { className: 'card' }, take, made('p', {}, about)));
  }
}

function showHeld(held: About['held']): void {
  state.held = held !== null;
  if (held) byId('held-text').textContent = `${held.model}, after ${num(held.step)} steps.`;
  refresh();
}

function showProject(project: ProjectView | null): void {
  if (!project) return;
  const { files, layers, summary, texts } = project;
  if (texts) fillFields(texts);
  byId('project').hidden = false;
  byId('rewritten').hidden = true;
  byId('layer-summary').textContent = summary;
  byId('file-table')
    .querySelector('tbody')!
    .replaceChildren(...files.map(({ name, bytes, role }) => rowOf([name, num(bytes), roleOf(name, role)])));
  byId('layer-table')
    .querySelector('tbody')!
    .replaceChildren(
      ...layers.map(({ module, op, size, dtype, refused }) =>
        rowOf([module, op, size, dtype, refused ?? 'yes']),
      ),
    );
  Object.assign(state, { project: true });
  refresh();
}

const ROLE_WORDS: Readonly<Record<Role, string>> = {
  model: 'model',
  data: 'training data',
  evaluation: 'evaluation data',
  tokenizer: 'tokenizer',
  beside: 'a file beside them',
};

function roleOf(name: string, role: Role): HTMLSelectElement {
  const options = ROLES.map((each) =>
    made('option', { value: each, selected: each === role }, ROLE_WORDS[each]),
  );
  const select = made('select', { ariaLabel: `What ${name} is used as` }, ...options);
  select.addEventListener('change', async () =>
    showProject(await asked('Reading', () => worker.assign(name, select.value as Role))),
  );
  return select;
}

function showRewrite({ summary, changes, more, notes }: RewriteView): void {
  for (const note of notes) showDiagnostic(note);
  byId('rewritten').hidden = false;
  byId('plan').textContent = summary;
  byId('changes')
    .querySelector('tbody')!
    .replaceChildren(
      ...changes.map(({ before, after }) =>
        made(
          'tr',
          {},
          made('td', { className: before === null ? '' : 'gone' }, before ?? ''),
          made('td', { className: after === null ? '' : 'come' }, after ?? ''),
        ),
      ),
    );
  byId('more-changes').textContent = more > 0 ? `${num(more)} more lines differ.` : '';
}

async function running(what: string, call: () => Promise<RunEnd>): Promise<void> {
  Object.assign(state, { running: true, held: false });
  refresh();
  const end = await asked(what, call);
  Object.assign(state, { running: false, ...(end ? { paused: !end.finished, adapter: true } : {}) });
  refresh();
  if (end) say(end.finished ? `Done: ${end.summary}.` : `The run is ${end.summary}.`);
}

function heard(event: RunEvent): void {
  if (event.kind === 'busy') say(`${event.what} ...`);
  else if (event.kind === 'note') showDiagnostic(event.diagnostic);
  else if (event.kind === 'started') {
    say('Training ...');
    showRun(event);
  } else if (event.kind === 'step') {
    say('Training ...');
    showStep(event.row);
  } else if (event.kind === 'evaluated') showEvaluation(event.row);
  else if (event.kind === 'sample') showSample(event.row);
  else byId('saved').textContent = `Last checkpoint: step ${num(event.step)}.`;
}

byId<HTMLInputElement>('files').addEventListener('change', (event) => {
  const input = event.target as HTMLInputElement;
  void take([...(input.files ?? [])]);
  // the same files may be chosen again
  input.value = '';
});
const drop = byId('drop');
for (const kind of ['dragover', 'dragleave', 'drop'] as const) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    drop.classList.toggle('over', kind === 'dragover');
    if (kind === 'drop' && !state.running) void take([...(event.dataTransfer?.files ?? [])]);
  });
}

async function take(files: readonly File[]): Promise<void> {
  if (files.length > 0) showProject(await asked('Reading the files', () => worker.open(files)));
}

byId('rewrite-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const view = await asked('Adding adapters', () => worker.rewrite(textsOf('rewrite')));
  if (view) showRewrite(view);
});
byId('train-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const provider = document.querySelector<HTMLInputElement>('input[name=provider]:checked')!
    .value as ProviderView['name'];
  void running('Starting the run', () => worker.train({ texts: allTexts(), provider }));
});
button('pause').addEventListener('click', () => {
  say('Pausing after this step ...');
  void worker.pause();
});
button('resume').addEventListener('click', () => void running('Going on', () => worker.resume()));
button('go-on').addEventListener('click', async () => {
  const project = await asked('Reading the run', () => worker.restore());
  if (!project) return;
  showProject(project);
  await running('Going on', () => worker.resume());
});
button('forget').addEventListener('click', async () => {
  await asked('Deleting the run', () => worker.forget());
  showHeld(null);
});
for (const each of document.querySelectorAll<HTMLButtonElement>('.download')) {
  each.addEventListener('click', async () => {
    const file = await asked('Writing the file', () => worker.file(each.dataset.what as Download));
    if (!file) return;
    const href = URL.createObjectURL(new Blob([file.bytes as BlobPart]));
    made('a', { href, download: file.name }).click();
    // the browser has begun to read it by then
    setTimeout(() => URL.revokeObjectURL(href), 60_000);
  });
}

void start();

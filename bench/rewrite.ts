import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { median } from '../cli/bench/turns.js';
import { LOTRC } from './lotrc.js';
import { type Measure, measure, summarise } from './measure.js';
import { LARGE, SINGLE, writeChain, writeDecoder } from './models.js';
import { findPeers, type Peer } from './peers.js';
import { alignedTable, bytesText, secondsText } from './table.js';

const HEADER = ['what', 'median', 'peak memory', 'ratio', 'target', ''];

export interface BenchOptions {
  /** an empty folder on the disk to measure; holds up to three times the largest model, and is emptied */
  readonly folder: string;
  /** 1 for the full sizes; a fraction makes every model that much smaller, and the targets do not apply */
  readonly size: number;
  readonly repeat: number;
  readonly python: string;
  readonly log: (line: string) => void;
}

/** Measures `lotrc rewrite` as whole processes and gives a table of medians. */
export class RewriteBench {
  readonly #rows: string[][] = [HEADER];
  readonly #peers: readonly ((external: boolean) => Peer)[];

  constructor(readonly options: BenchOptions) {
    const { found, missing } = findPeers(options.python);
    this.#peers = found;
    for (const line of missing) options.log(line);
  }

  run(): string {
    const { size } = this.options;
    const help = this.#repeat(['--help']);
    this.#row('lotrc --help', help, { target: 0.2 });
    this.#decoder('4.4 GB, external data', { ...LARGE, blocks: scaled(LARGE.blocks, size) }, true);
    this.#decoder('500 MB, one file', { ...SINGLE, blocks: scaled(SINGLE.blocks, size) }, false);
    const once = this.#chain(scaled(5000, size), 3, null);
    this.#chain(2 * scaled(5000, size), null, once);
    return alignedTable(this.#rows);
  }

  #decoder(label: string, shape: typeof LARGE, external: boolean): void {
    const model = this.#path('model.onnx');
    writeDecoder(model, shape);
    const files = [model, `${model}.data`].filter((file) => existsSync(file));
    const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
    this.options.log(`${label}: ${(bytes / 1e9).toFixed(2)} GB`);
    this.#warm(files);
    const out = this.#path('out.onnx');
    const rewrite = (mode: string) => ['rewrite', model, '--rank', '8', '--weights', mode, '-o', out];
    const linked = this.#repeat(rewrite('link'));
    this.#row(`${label}: rewrite, linked`, linked, { target: 1, memory: 200e6 });

    const plain: Measure[] = [];
    const synced: Measure[] = [];
    const copies: Measure[] = [];
    const copy = ['cp', ...files, this.#folder('cp')];
    for (let round = 0; round < this.options.repeat; round++) {
      // the same cache and the same dirty pages for each: what one wrote is deleted and flushed before the next starts
      plain.push(this.#fresh(() => measure(copy)));
      synced.push(
        this.#fresh(() =>
          measure(['sh', '-c', 'cp "$@" && sync "$0"/*', this.#folder('cp'), ...copy.slice(1)]),
        ),
      );
      copies.push(
        this.#fresh(() => measure([process.execPath, LOTRC, ...rewrite(external ? 'copy' : 'inline')])),
      );
    }
    const pairs = copies.map(({ seconds }, i) => seconds / plain[i]!.seconds);
    const flushed = copies.map(({ seconds }, i) => seconds / synced[i]!.seconds);
    this.#row(`${label}: cp`, summarise(plain), { ratio: 1 });
    this.#row(`${label}: cp, flushed to the disk`, summarise(synced), { ratio: 1 });
    const what = `${label}: rewrite, weights ${external ? 'copied' : 'inline'}`;
    this.#row(`${what}, against cp`, summarise(copies), { ratio: median(pairs), most: 1.3 });
    this.#row(`${what}, against cp, flushed`, summarise(copies), { ratio: median(flushed), most: 1.3 });
    this.#peerRows(label, model, external);
    this.#clean();
  }

  #chain(sites: number, target: number | null, half: Measure | null): Measure {
    const label = `${sites} layers, ${40 * sites} nodes`;
    const model = this.#path('model.onnx');
    writeChain(model, sites);
    const command = ['rewrite', model, '--rank', '4', '-o', this.#path('out.onnx')];
    const runs = this.#repeat(command);
    const ratio = half ? { ratio: runs.seconds / half.seconds, most: 2.3 } : {};
    this.#row(`${label}: rewrite`, runs, { ...(target === null ? {} : { target }), ...ratio });
    this.#peerRows(label, model, false);
    this.#clean();
    return runs;
  }

  #peerRows(label: string, model: string, external: boolean): void {
    for (const peer of this.#peers) {
      const { name, command } = peer(external);
      const out = this.#path('peer.onnx');
      const runs: Measure[] = [];
      for (let i = 0; i < Math.min(3, this.options.repeat); i++) {
        runs.push(this.#fresh(() => measure(command(model, out))));
      }
      this.#row(`${label}: ${name}`, summarise(runs), {});
    }
  }

  #repeat(args: readonly string[]): Measure {
    const runs: Measure[] = [];
    for (let i = 0; i < this.options.repeat; i++) {
      runs.push(this.#fresh(() => measure([process.execPath, LOTRC, ...args])));
    }
    return summarise(runs);
  }

  #row(
    what: string,
    { seconds, peak }: Measure,
    goal: { target?: number; memory?: number; ratio?: number; most?: number },
  ): void {
    const { target, memory, ratio, most } = goal;
    const wanted = [
      ...(target === undefined ? [] : [`< ${target} s`]),
      ...(memory === undefined ? [] : [`< ${bytesText(memory)}`]),
      ...(most === undefined ? [] : [`<= ${most}x`]),
    ];
    const met =
      (target === undefined || seconds < target) &&
      (memory === undefined || peak === null || peak < memory) &&
      (most === undefined || ratio === undefined || ratio <= most);
    const ratioText = ratio === undefined ? '' : `${ratio.toFixed(2)}x`;
    const verdict = wanted.length === 0 ? '' : met ? 'met' : 'MISSED';
    const row = [what, secondsText(seconds), bytesText(peak), ratioText, wanted.join(', '), verdict];
    this.#rows.push(row);
    this.options.log(row.filter((cell) => cell !== '').join('  '));
  }

  /** Runs with a disk that has nothing left to write, and deletes what the run wrote. */
  #fresh(run: () => Measure): Measure {
    measure(['sync']);
    const result = run();
    for (const name of readdirSync(this.options.folder)) {
      if (name.startsWith('out.') || name.startsWith('peer.')) rmSync(this.#path(name));
    }
    const copies = this.#folder('cp');
    for (const name of existsSync(copies) ? readdirSync(copies) : []) rmSync(join(copies, name));
    return result;
  }

  /** Reads the files once: all runs then find them in the page cache as far as it holds them. */
  #warm(files: readonly string[]): void {
    measure(['sh', '-c', 'cat "$@" >/dev/null', 'cat', ...files]);
  }

  #path(name: string): string {
    return join(this.options.folder, name);
  }

  #folder(name: string): string {
    const folder = this.#path(name);
    if (!existsSync(folder)) mkdirSync(folder);
    return folder;
  }

  #clean(): void {
    for (const name of readdirSync(this.options.folder)) rmSync(this.#path(name), { recursive: true });
  }
}

function scaled(count: number, size: number): number {
  return Math.max(1, Math.round(count * size));
}

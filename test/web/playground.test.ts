import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import axe from 'axe-core';
import { parquetWriteBuffer } from 'hyparquet-writer';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RandomStream } from '../../src/init/rng.js';
import { kebab } from '../../src/options/flags.js';
import { readLogs } from '../../src/train/logs/find.js';
import { chromium } from '../support/browser.js';
import { done, records, textClassifier } from '../support/classifier.js';
import { EVERYTHING, WHOLE } from '../support/everything.js';
import { downloaded, dropped, Playground, settled } from '../support/playground.js';
import { sharedDir } from '../support/shared.js';

/** The playground in Chromium, on wasm, as a user has it. */

const ROOT = resolve(import.meta.dirname, '../..');
const CHARLM = join(ROOT, 'models/charlm');
const browser = chromium();
const root = mkdtempSync(join(tmpdir(), 'lotrc-web-'));
let playground: Playground;
const SHARED = sharedDir();
/** how often a tab is closed in the middle of a run */
const CLOSINGS = WHOLE ? 20 : EVERYTHING ? 3 : 2;

beforeAll(async () => {
  if (browser) playground = await Playground.open(browser);
});
afterAll(async () => {
  await playground?.close();
  rmSync(root, { recursive: true, force: true });
});

/** Short rows, so that steps and texts take little time. */
const RUN = {
  maxSteps: '30',
  batchSize: '3',
  maxLength: '24',
  checkpointEvery: '1',
  lr: '0.01',
  warmup: '2',
};

async function fill(page: Page, values: Readonly<Record<string, string>>): Promise<void> {
  await page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true");
  for (const [key, value] of Object.entries(values)) await page.fill(`#train-${key}`, value);
}

/** The sample without its evaluation data, ready to train. */
async function charlm(page: Page): Promise<void> {
  await page.click('#sample-charlm');
  await page.getByLabel('What moby-dick.val.txt is used as').selectOption('beside');
  await page.check('#provider-wasm');
  await fill(page, RUN);
}

describe.skipIf(browser === null)('the playground', () => {
  let whole: Buffer;
  let losses: readonly number[] = [];

  /** The losses of the same run, and its model with adapters at `FOLDER.lotr.onnx`. */
  const commandLine = async (
    model: string,
    folder: string,
    how: {
      readonly rewrite: readonly string[];
      readonly emit: readonly string[];
      readonly data: string;
      readonly tokenizer: string;
    },
  ): Promise<readonly number[]> => {
    await done('rewrite', model, ...how.rewrite, '-o', `${folder}.lotr.onnx`);
    await done(
      'emit',
      'onnx-train',
      `${folder}.lotr.onnx`,
      '-o',
      folder,
      '--loss',
      'cross-entropy',
      ...how.emit,
    );
    const words = Object.entries(RUN).flatMap(([key, value]) => [`--${kebab(key)}`, value]);
    const run = join(folder, 'run');
    await done('train', folder, '--data', how.data, '--tokenizer', how.tokenizer, ...words, '-o', run);
    const [log] = readLogs([run]).logs;
    return log!.rows.flatMap(({ split, values }) => (split === 'train' ? [values.get('loss')!] : []));
  };

  const expectLosses = (found: readonly number[], wanted: readonly number[]): void => {
    expect(wanted.length).toBe(30);
    expect(found.length).toBe(30);
    for (const [k, loss] of found.entries())
      expect(Math.abs(loss / wanted[k]! - 1), `step ${k}`).toBeLessThan(1e-5);
  };

  /** What the browser keeps of the run: the losses until the last checkpoint. */
  const lossesOf = async (page: Page): Promise<readonly number[]> => {
    const text = (await page.evaluate(`(async () => {
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('lotrc-run');
      return (await (await folder.getFileHandle('rows.json')).getFile()).text();
    })()`)) as string;
    const { steps } = JSON.parse(text) as { readonly steps: readonly { readonly loss: number }[] };
    return steps.map(({ loss }) => loss);
  };

  test('adapts and trains charlm: the files are those of the command line, and so are the losses', async () => {
    const page = await playground.visit(await playground.visitor());
    await charlm(page);
    await page.click('#rewrite');
    await page.waitForSelector('#rewritten:not([hidden])');
    expect(await page.locator('#plan').innerText()).toMatch(/trainable parameters: 17,920;/);
    expect(await page.locator('#changes td.come').first().innerText()).not.toBe('');
    await page.click('#train');
    expect(await settled(page)).toBe('Done: 30 steps.');
    expect(await page.locator('#results h3').allInnerTexts()).toEqual(['Before', 'After 30 steps']);
    losses = await lossesOf(page);
    const file = (name: string) => join(root, name);
    for (const what of ['adapter', 'adapted', 'merged'])
      writeFileSync(file(`page.${what}`), (await downloaded(page, what)).bytes);
    await page.context().close();
    whole = readFileSync(file('page.adapter'));

    // the same with the command line
    const model = join(CHARLM, 'charlm.onnx');
    const adapters = ['--method', 'lotr', '--rank', '8', '--scale', '8', '--init', 'fan-in'];
    const wanted = await commandLine(model, file('charlm'), {
      rewrite: adapters,
      emit: ['--max-norm', '0', '--recompute', 'none'],
      data: join(CHARLM, 'moby-dick.train.txt'),
      tokenizer: join(CHARLM, 'vocab.json'),
    });
    expectLosses(losses, wanted);
    writeFileSync(file('page.safetensors'), whole);
    await done('apply', model, file('page.safetensors'), '-o', file('adapted.onnx'));
    await done(
      'merge',
      file('charlm.lotr.onnx'),
      '--adapter',
      file('page.safetensors'),
      '-o',
      file('merged.onnx'),
    );
    for (const what of ['adapted', 'merged'])
      expect(readFileSync(file(`page.${what}`)).equals(readFileSync(file(`${what}.onnx`))), what).toBe(true);
    await done('verify', file('adapted.onnx'), file('merged.onnx'), '--tolerance', '1e-4');
  });

  test('a run that is paused, and whose tab is loaded again, ends with the same bits', async () => {
    const page = await playground.visit(await playground.visitor());
    await charlm(page);
    await page.click('#train');
    await page
      .locator('#saved')
      .filter({ hasText: /step \d/ })
      .waitFor();
    await page.click('#pause');
    expect(await settled(page)).toMatch(/^The run is paused after \d+ of 30 steps\.$/);
    await playground.load(page);
    expect(await page.locator('#held-text').innerText()).toMatch(/^charlm\.onnx, after \d+ steps\.$/);
    await page.click('#go-on');
    expect(await settled(page)).toBe('Done: 30 steps.');
    expect(await lossesOf(page)).toEqual(losses);
    expect((await downloaded(page, 'adapter')).bytes.equals(whole)).toBe(true);
    await page.context().close();
  });

  test('adapts a classifier with a table: accuracy before and after', async () => {
    const page = await playground.visit(await playground.visitor());
    await page.click('#sample-sentiment');
    await page.waitForSelector('#project:not([hidden])');
    await page.check('#provider-wasm');
    await fill(page, { maxSteps: '2', lr: '0.005' });
    await page.click('#train');
    expect(await settled(page)).toBe('Done: 2 steps.');
    expect(await page.locator('#run-text').innerText()).toMatch(/^800 examples, 200 for evaluation; /);
    // as docs/quick-start.md says of the base
    expect(await page.locator('#results p').first().innerText()).toMatch(/^loss 0\.6\d+, accuracy 74\.50 %/);
    await page.context().close();
  });

  test.skipIf(!EVERYTHING)(
    'a tab that is closed at random moments: the run goes on to the same bits',
    async () => {
      const context = await playground.visitor();
      const random = new RandomStream(1, 'closings');
      const ended = async (page: Page): Promise<void> => {
        expect(await settled(page)).toBe('Done: 30 steps.');
        expect(await lossesOf(page)).toEqual(losses);
        expect((await downloaded(page, 'adapter')).bytes.equals(whole)).toBe(true);
      };
      /** Begins a run, or goes on with the one that is held; the steps that it has. */
      const begun = async (page: Page): Promise<number> => {
        if (await page.locator('#held').isVisible()) {
          const [, text] = /after (\d+) steps/.exec(await page.locator('#held-text').innerText())!;
          const steps = Number(text);
          await page.click(steps < 30 ? '#go-on' : '#forget');
          if (steps < 30) return steps;
        }
        await charlm(page);
        await page.click('#train');
        return 0;
      };
      let resumed = 0;
      for (let closing = 0; closing < CLOSINGS; closing++) {
        const page = await playground.visit(context);
        const steps = await begun(page);
        if (steps > 0) resumed++;
        // some are closed before they get that far
        if (random.uniform(2 * closing) < 0.8)
          await page
            .locator('#saved')
            .filter({ hasText: /step \d/ })
            .waitFor();
        await page.waitForTimeout(Math.floor(300 * random.uniform(2 * closing + 1)));
        if ((await page.locator('#status').innerText()).startsWith('Done')) await ended(page);
        await page.close();
      }
      const page = await playground.visit(context);
      if ((await begun(page)) > 0) resumed++;
      await ended(page);
      console.log(`${resumed} of ${CLOSINGS + 1} visits went on with a run`);
      expect(resumed).toBeGreaterThan(CLOSINGS / 2);
      await context.close();
    },
  );

  test.skipIf(SHARED === null)('a model of a family that the page has no sample of', async () => {
    const model = join(SHARED!, 'models/exports/llama_ts17_eager.onnx');
    const given = {
      'llama.onnx': readFileSync(model),
      'text.txt': readFileSync(join(CHARLM, 'moby-dick.val.txt')).subarray(0, 20_000),
      'vocab.json': Buffer.from(
        JSON.stringify({ type: 'character', chars: ' abcdefghijklmnopqrstuvwxyz.,;-\n' }),
      ),
    };
    for (const [name, bytes] of Object.entries(given)) writeFileSync(join(root, name), bytes);
    const page = await playground.visit(await playground.visitor());
    await page.setInputFiles(
      '#files',
      Object.keys(given).map((name) => join(root, name)),
    );
    await page.waitForSelector('#project:not([hidden])');
    await page.check('#provider-wasm');
    await page.fill('#rewrite-rank', '3');
    await fill(page, RUN);
    await page.click('#train');
    expect(await settled(page)).toBe('Done: 30 steps.');
    const wanted = await commandLine(model, join(root, 'llama'), {
      rewrite: ['--rank', '3'],
      emit: [],
      data: join(root, 'text.txt'),
      tokenizer: join(root, 'vocab.json'),
    });
    expectLosses(await lossesOf(page), wanted);
    await page.context().close();
  });

  test.skipIf(!EVERYTHING || SHARED === null)(
    'dropped files: a model with its data file; Parquet, trained on with several threads where the page is isolated',
    async () => {
      playground.isolated = true;
      const page = await playground.visit(await playground.visitor());
      const isolated = (await page.evaluate('[crossOriginIsolated, navigator.hardwareConcurrency]')) as [
        boolean,
        number,
      ];
      expect(isolated[0]).toBe(true);
      if (isolated[1] > 1)
        expect(await page.locator('#providers').innerText()).toContain(`${Math.min(4, isolated[1])} threads`);
      const roles = () =>
        page.evaluate("[...document.querySelectorAll('#file-table select')].map(({ value }) => value)");
      const external = join(SHARED!, 'models/structure/bert_external_op17.onnx');
      await dropped(page, [
        { name: 'bert_external_op17.onnx.data', bytes: readFileSync(`${external}.data`) },
        { name: 'bert_external_op17.onnx', bytes: readFileSync(external) },
      ]);
      await page.waitForSelector('#project:not([hidden])');
      expect(await roles()).toEqual(['beside', 'model']);
      await page.click('#rewrite');
      await page.waitForSelector('#rewritten:not([hidden])');
      expect(await page.locator('#plan').innerText()).toMatch(/trainable parameters: /);

      const { model, tokenizer } = await textClassifier(join(root, 'net'));
      const rows = records(24, ['fish', 'bird', 'newt']);
      const table = Buffer.from(
        parquetWriteBuffer({
          columnData: [
            { name: 'text', type: 'STRING', data: rows.map(({ text }) => text) },
            { name: 'label', type: 'STRING', data: rows.map(({ label }) => label) },
          ],
          rowGroupSize: 10,
        }),
      );
      const trained = async (bytes: Buffer): Promise<string> => {
        await dropped(page, [
          { name: 'rows.parquet', bytes },
          { name: 'model.onnx', bytes: readFileSync(model) },
          { name: 'vocab.json', bytes: readFileSync(tokenizer) },
        ]);
        await page.locator('#file-table').filter({ hasText: 'rows.parquet' }).waitFor();
        await page.check('#provider-wasm');
        await fill(page, { maxSteps: '3', batchSize: '4' });
        await page.click('#train');
        return settled(page);
      };
      // a damaged file ends with the diagnostic of the command line
      expect(await trained(table.subarray(0, table.byteLength - 5))).toMatch(
        /LOTR8204: it cannot be read as Parquet/,
      );
      expect(await trained(table)).toBe('Done: 3 steps.');
      expect(await roles()).toEqual(['data', 'model', 'tokenizer']);
      expect(await page.locator('#run-text').innerText()).toMatch(/^24 examples; /);
      const found = await lossesOf(page);
      expect(found.length === 3 && found.every(Number.isFinite)).toBe(true);
      await page.context().close();
      playground.isolated = false;
    },
  );

  test('files that cannot be used end with the diagnostics of the command line', async () => {
    const page = await playground.visit(await playground.visitor());
    const given = async (...files: readonly { readonly name: string; readonly text: string | Buffer }[]) => {
      await page.setInputFiles(
        '#files',
        files.map(({ name, text }) => ({ name, mimeType: '', buffer: Buffer.from(text) })),
      );
      return settled(page);
    };
    expect(await given({ name: 'model.onnx', text: 'PK\u0003\u0004 and so on' })).toMatch(
      /LOTR1001[\s\S]*zip archive[\s\S]*what to do: unpack it/,
    );
    expect(await given({ name: 'notes.txt', text: 'no model' })).toMatch(/LOTR8001: there is no model/);
    const model = readFileSync(join(CHARLM, 'charlm.onnx'));
    expect(await given({ name: 'model.onnx', text: model.subarray(0, 4000) })).toMatch(/LOTR1001/);
    // a tokenizer with more characters than the model has rows
    const chars = Array.from({ length: 300 }, (_, k) => String.fromCharCode(32 + k)).join('');
    await page.setInputFiles('#files', [
      { name: 'model.onnx', mimeType: '', buffer: model },
      { name: 'text.txt', mimeType: '', buffer: Buffer.from(chars) },
      {
        name: 'vocab.json',
        mimeType: '',
        buffer: Buffer.from(JSON.stringify({ type: 'character', chars })),
      },
    ]);
    await page.waitForSelector('#project:not([hidden])');
    await page.check('#provider-wasm');
    await page.fill('#rewrite-rank', 'eight');
    await page.click('#train');
    expect(await settled(page)).toMatch(/LOTR8001: --rank takes a whole number/);
    await page.fill('#rewrite-rank', '2');
    await fill(page, RUN);
    await page.click('#train');
    expect(await settled(page)).toMatch(/LOTR8250/);
    await page.context().close();
  });

  test('has no violation that axe-core finds, light and dark, narrow and wide', async () => {
    const page = await playground.visit(await playground.visitor());
    await charlm(page);
    await page.click('#rewrite');
    await page.waitForSelector('#rewritten:not([hidden])');
    await page.fill('#train-maxSteps', 'many');
    await page.click('#train');
    await settled(page);
    await page.evaluate(axe.source);
    for (const colorScheme of ['light', 'dark'] as const) {
      for (const width of [360, 1280]) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize({ width, height: 800 });
        const found = await page.evaluate(
          'axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)]))',
        );
        expect(found, `${colorScheme}, ${width} px`).toEqual([]);
        const overflow = (await page.evaluate('document.documentElement.scrollWidth - innerWidth')) as number;
        expect(overflow, `${width} px`).toBeLessThanOrEqual(0);
      }
    }
    await page.context().close();
  });

  test('asks no other machine for anything', () => {
    const own = [...playground.asked].filter((url) => url.startsWith(playground.address));
    // those of its worker too
    expect(own.some((url) => url.endsWith('.wasm')) && own.some((url) => url.endsWith('.onnx'))).toBe(true);
    expect([...playground.asked].filter((url) => !own.includes(url) && !/^(?:blob|data):/.test(url))).toEqual(
      [],
    );
  });
});

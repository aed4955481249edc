import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { build } from 'vite';
import { headersOf } from '../../bench/gpu/browser.js';

/** The playground in Chromium: built once, served from this process, and asked as a user does. */

const ROOT = join(import.meta.dirname, '../..');

const ISOLATED = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};

export class Playground {
  /** addresses that pages and their workers asked for */
  readonly asked = new Set<string>();
  readonly #folder = mkdtempSync(join(tmpdir(), 'lotrc-playground-'));
  #server: Server | null = null;
  #browser: Browser | null = null;
  #address = '';
  /** the page is cross-origin isolated, so that WebAssembly may have several threads */
  isolated = false;

  static async open(executablePath: string): Promise<Playground> {
    const made = new Playground();
    await build({
      configFile: join(ROOT, 'web/vite.config.ts'),
      logLevel: 'error',
      // its samples are the files of the repository
      build: { outDir: made.#folder, minify: false },
    });
    made.#server = createServer(({ url = '/' }, response) => {
      const path = join(
        made.#folder,
        url === '/' ? 'index.html' : decodeURIComponent(url.replace(/\?.*/, '')),
      );
      if (!existsSync(path)) {
        response.writeHead(404).end();
        return;
      }
      const bytes = readFileSync(path);
      response.writeHead(200, { ...headersOf(path, bytes), ...(made.isolated ? ISOLATED : {}) }).end(bytes);
    });
    made.#address = `http://localhost:${await portOf(made.#server)}/`;
    made.#browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    return made;
  }

  /** A visitor without files of earlier visits. */
  async visitor(): Promise<BrowserContext> {
    const context = await this.#browser!.newContext({ acceptDownloads: true });
    // a busy machine takes its time
    context.setDefaultTimeout(240_000);
    context.on('request', (request) => this.asked.add(request.url()));
    return context;
  }

  /** Where the page is. */
  get address(): string {
    return this.#address;
  }

  /** Opens the page and waits until it can be used. */
  async visit(context: BrowserContext): Promise<Page> {
    const page = await context.newPage();
    await this.load(page);
    return page;
  }

  async load(page: Page): Promise<void> {
    await page.goto(this.#address);
    await page.waitForSelector('#samples button');
  }

  async close(): Promise<void> {
    await this.#browser?.close();
    this.#server?.close();
    this.#server?.closeAllConnections();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function portOf(server: Server): Promise<number> {
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  return (server.address() as AddressInfo).port;
}

/** Waits until what was begun is done; the status, or the first error. */
export async function settled(page: Page): Promise<string> {
  const found = page.locator('.message.error, #status').filter({ hasText: /LOTR|^Done|^The run is/ });
  await found.first().waitFor();
  return found.first().innerText();
}

/** The bytes of a file that the page gives. */
export async function downloaded(
  page: Page,
  what: string,
): Promise<{ readonly name: string; readonly bytes: Buffer }> {
  const [download] = await Promise.all([page.waitForEvent('download'), page.click(`[data-what=${what}]`)]);
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}

/** Drops files on the page, as a person does with those of a folder. */
export async function dropped(
  page: Page,
  files: readonly { readonly name: string; readonly bytes: Buffer }[],
): Promise<void> {
  const given = files.map(({ name, bytes }) => ({ name, text: bytes.toString('base64') }));
  await page.evaluate(`(() => {
    const transfer = new DataTransfer();
    for (const { name, text } of ${JSON.stringify(given)})
      transfer.items.add(new File([Uint8Array.from(atob(text), (char) => char.charCodeAt(0))], name));
    for (const type of ['dragover', 'drop'])
      document.querySelector('#drop').dispatchEvent(new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: transfer }));
  })()`);
}

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';

/** Flags under which headless Chromium has WebGPU without a GPU and makes no network requests. */
const FLAGS = [
  '--headless=new',
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  // as in test/support/patient.mjs: else SwiftShader compiles a store of every element of workgroup memory
  '--disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-extensions',
];

export interface Page {
  /** an ES module: it fetches `/job` and posts its answer, as JSON, to `/answer` */
  readonly script: string;
  readonly job: unknown;
  /** further files by their address from `/` on; null: there is none */
  readonly files?: (address: string) => Uint8Array | null;
}

/**
 * Serves a page on localhost (a secure context, without which there is no WebGPU) and gives what it answers. With `browser`,
 * the path of a Chromium, it is opened there without a window; else `open` is told the address for somebody to open it.
 * Throws what the page threw, or what Chromium said when it ended early.
 */
export async function answerOf(
  { script, job, files }: Page,
  how: { readonly browser: string } | { readonly open: (address: string) => void },
): Promise<unknown> {
  let resolve: (text: string) => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<string>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  const server = createServer((request, response) => {
    const send = (type: string, text: string) => response.writeHead(200, { 'content-type': type }).end(text);
    if (request.url === '/script.js') send('text/javascript', script);
    else if (request.url === '/job') send('application/json', JSON.stringify(job));
    else if (request.url === '/answer') {
      void textOf(request).then((text) => {
        send('text/plain', '');
        resolve(text);
      }, reject);
    } else if (request.url !== '/' && files) {
      const bytes = files(decodeURIComponent(request.url!));
      if (!bytes) response.writeHead(404).end();
      else response.writeHead(200, headersOf(request.url!, bytes)).end(bytes);
    } else
      send(
        'text/html',
        '<!doctype html><title>lotrc</title><pre></pre><script type="module" src="/script.js"></script>',
      );
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const address = `http://localhost:${(server.address() as AddressInfo).port}/`;
  const close = 'browser' in how ? open(how.browser, address, reject) : null;
  if ('open' in how) how.open(address);
  try {
    const answer = JSON.parse(await promise) as { readonly failed?: string };
    if (answer.failed) throw new Error(answer.failed);
    return answer;
  } finally {
    await close?.();
    server.close();
    server.closeAllConnections();
  }
}

/** Types without which a browser does not take a file as what it is. */
const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.wasm': 'application/wasm',
};

/** The headers of a file that is given to a browser. */
export function headersOf(address: string, { byteLength }: Uint8Array) {
  const type = TYPES[extname(address)] ?? 'application/octet-stream';
  return { 'content-length': byteLength, 'content-type': type };
}

/** Opens an address in Chromium; returns what ends it. */
function open(browser: string, address: string, reject: (error: Error) => void): () => Promise<void> {
  const profile = mkdtempSync(join(tmpdir(), 'lotrc-chromium-'));
  const child = spawn(browser, [...FLAGS, `--user-data-dir=${profile}`, address], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000);
  });
  const ended = new Promise<void>((done) => {
    child.on('error', (error) => {
      reject(error);
      done();
    });
    child.on('exit', (code) => {
      reject(new Error(`Chromium ended with ${code} before the page answered: ${said}`));
      done();
    });
  });
  return async () => {
    // the whole group: Chromium's helpers hold the profile folder
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {
      // it has ended
    }
    await ended;
    rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  };
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build, type Rolldown } from 'vite';
import type { HostAnswer, HostJob } from './host.js';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Path of an installed Chromium, or null; in CI there must be one. */
export function chromium(): string | null {
  const found = PLACES.find((path) => existsSync(path));
  if (found) return found;
  if (process.env.CI === 'true') throw new Error(`CI needs Chromium, at one of ${PLACES.join(', ')}`);
  console.warn('the browser test is skipped: Chromium is not installed');
  return null;
}

const FLAGS = [
  '--headless=new',
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-extensions',
];

/** A module of `typescriptHost`, and the page that runs it, in one script, as a bundler makes it. */
async function bundle(folder: string): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: 'error',
    root: folder,
    resolve: { alias: { 'emitted-module': join(folder, 'index.ts') } },
    build: {
      write: false,
      target: 'es2022',
      rolldownOptions: {
        input: join(import.meta.dirname, 'browser-page.mjs'),
        output: { format: 'es', codeSplitting: false },
      },
    },
  });
  const { output } = (Array.isArray(result) ? result[0] : result) as Rolldown.RolldownOutput;
  return output[0].code;
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

/**
 * Bundles the index.ts of a folder, opens a page with it in headless Chromium, whose WebGPU is SwiftShader, and gives the
 * answer to a job. Throws what the page threw, or what Chromium said when it ended early.
 */
export async function runInBrowser(
  browser: string,
  folder: string,
  job: HostJob,
): Promise<HostAnswer & { readonly agent: string }> {
  const script = await bundle(folder);
  const profile = mkdtempSync(join(tmpdir(), 'lotrc-chromium-'));
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
    } else
      send('text/html', '<!doctype html><title>job</title><script type="module" src="/script.js"></script>');
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  // localhost is a secure context, without which there is no WebGPU
  const address = `http://localhost:${(server.address() as AddressInfo).port}/`;
  const child = spawn(browser, [...FLAGS, `--user-data-dir=${profile}`, address], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4000);
  });
  child.on('error', reject);
  const ended = new Promise<void>((done) =>
    child.on('exit', (code) => {
      reject(new Error(`Chromium ended with ${code} before the page answered: ${said}`));
      done();
    }),
  );
  try {
    const answer = JSON.parse(await promise) as HostAnswer & { agent: string; failed?: string };
    if (answer.failed) throw new Error(answer.failed);
    return answer;
  } finally {
    // the whole group: Chromium's helpers hold the profile folder
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {
      // it has ended
    }
    await ended;
    server.close();
    server.closeAllConnections();
    rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

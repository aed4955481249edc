import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { answerOf } from '../../bench/gpu/browser.js';
import { bundledScript } from '../../bench/gpu/bundle-page.js';
import { inspect } from '../../src/inspect.js';
import { formatInspect } from '../../src/inspect-format.js';
import { readModel } from '../../src/ir/onnx/reader.js';
import { encodeModel } from '../../src/ir/onnx/writer.js';
import { rewrite } from '../../src/rewrite.js';
import { chromium } from '../support/browser.js';

/** `lotrc/core` in a worker of Chromium: parts of files and of URLs of another site. */

const ROOT = resolve(import.meta.dirname, '../..');
const MODEL = join(ROOT, 'models/charlm/charlm.onnx');
const browser = chromium();

const workerCode = (): Promise<string> =>
  bundledScript(ROOT, join(ROOT, 'test/support/core-page-worker.mjs'), {
    'lotrc-core': join(ROOT, 'src/core.ts'),
    '#platform': join(ROOT, 'src/platform/web.ts'),
  });

/** The page: it starts the worker and passes on what that says. */
const PAGE = `
const job = await (await fetch('/job')).json();
const send = (body) => fetch('/answer', { method: 'POST', body: JSON.stringify(body) });
const worker = new Worker(URL.createObjectURL(new Blob([job.worker], { type: 'text/javascript' })), { type: 'module' });
worker.onmessage = ({ data }) => void send(data);
worker.onerror = ({ message }) => void send({ failed: 'the worker ended: ' + message });
worker.postMessage({ url: job.url });
`;

interface Seen {
  readonly method: string;
  readonly range: string | null;
  readonly sent: number;
}

/** A server of another site, which tells a page little: a model in ranges, and one that is always sent whole. */
function modelServer(bytes: Buffer) {
  const requests: Seen[] = [];
  let version = 1;
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    const { method = '', url = '', headers } = request;
    response.setHeader('access-control-allow-origin', '*');
    response.setHeader('access-control-expose-headers', 'ETag');
    if (url === '/requests') response.end(JSON.stringify(requests));
    else if (url === '/change') response.end(String(++version));
    else if (url === '/missing.onnx') response.writeHead(404).end();
    else {
      const range = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '');
      response.setHeader('etag', `"${version}"`);
      const whole = !range || url === '/whole.onnx';
      const [from, to] = whole
        ? [0, bytes.length]
        : [Number(range[1]), Math.min(bytes.length, Number(range[2]) + 1)];
      requests.push({ method, range: headers.range ?? null, sent: method === 'HEAD' ? 0 : to - from });
      response.writeHead(whole ? 200 : 206, {
        'content-length': to - from,
        ...(whole ? {} : { 'content-range': `bytes ${from}-${to - 1}/${bytes.length}` }),
      });
      response.end(method === 'HEAD' ? undefined : bytes.subarray(from, to));
    }
  };
  return { requests, server: createServer(answer) };
}

describe.runIf(browser !== null)('lotrc/core in a worker of Chromium', () => {
  test('reads parts of Files and URLs, makes the bytes of Node, and says what is wrong', async () => {
    const bytes = readFileSync(MODEL);
    const { requests, server } = modelServer(bytes);
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    try {
      const job = { worker: await workerCode(), url };
      const answer = await answerOf({ script: PAGE, job }, { browser: browser! });
      const model = readModel(MODEL);
      rewrite(model, { rank: 5 });
      const wanted = createHash('sha256').update(encodeModel(model)).digest('hex');
      expect(answer).toMatchObject({
        name: 'model.onnx',
        report: formatInspect(inspect(readModel(MODEL))),
        byRanges: wanted,
        byFile: wanted,
        withoutRanges: wanted,
        missing: expect.stringMatching(/LOTR1002.*its server answers 404[\s\S]*<missing.onnx>/),
        changed: expect.stringMatching(/LOTR1006[\s\S]*<model.onnx>/),
      });
      const { requestsToInspect } = answer as { readonly requestsToInspect: number };
      // the size is asked for, as the page may not see it, and then parts
      expect(requests.slice(0, 2).map(({ method, range }) => [method, range])).toEqual([
        ['GET', 'bytes=0-0'],
        ['HEAD', null],
      ]);
      const parts = requests.slice(2, requestsToInspect);
      expect(parts.length).toBeGreaterThan(0);
      expect(parts.every(({ range }) => range !== null)).toBe(true);
      console.log(
        `to inspect ${bytes.length} bytes: ${parts.length} requests, ${parts.reduce((sum, { sent }) => sum + sent, 0)} bytes`,
      );
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});

#!/usr/bin/env node
import { processIo } from './io.js';
import { main } from './program.js';

// A reader such as `head` may close the pipe early; that ends the command without a complaint.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(process.exitCode ?? 0);
  });
}

// Not process.exit: what is still in the pipes must go out first.
process.exitCode = await main(process.argv.slice(2), processIo);

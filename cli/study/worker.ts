import { main } from '../program.js';
import type { RunAnswer } from './pool.js';

/** The process of one run of a study: runs the command line that it is sent, says how it ended, and ends with the process that asked. */

process.on('disconnect', () => process.exit());
process.once('message', async (argv: readonly string[]) => {
  let out = '';
  let err = '';
  const code = await main(argv, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      // progress of hours; the end says what went wrong
      err = `${err}${text}`.slice(-20_000);
    },
    terminal: false,
  });
  const answer: RunAnswer = { code, out, err };
  process.send?.(answer, () => process.disconnect());
});

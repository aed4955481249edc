import { failureOf } from '../failure.js';
import { doTask } from './make.js';
import type { Reply, Task } from './task.js';

/** A process of `lotrc build`: does the tasks that it is sent, one at a time, and ends with the process that sends them. */

const answer = (reply: Reply): void => void process.send?.(reply);

process.on('disconnect', () => process.exit());
process.on('message', async (task: Task) => {
  try {
    answer(await doTask(task, (text) => answer({ kind: 'line', text })));
  } catch (error) {
    answer({ kind: 'failed', ...(await failureOf(error, ['build', task.step.id])) });
  }
});

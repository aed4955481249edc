import { answerRequests } from '../../../backends/ort/answer.js';
import { parquetAnswers } from './answers.js';
import type { ParquetCall } from './messages.js';
import { openOnDisk } from './node-file.js';

/** The program of the process that decodes a Parquet file; see rows.ts. */

answerRequests<ParquetCall>(parquetAnswers(openOnDisk));

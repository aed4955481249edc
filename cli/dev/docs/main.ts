import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { configSchemaText, gridSchemaText, methodSchemaText, optionSchema } from './options.js';
import { withTables } from './regions.js';
import { TABLES } from './tables.js';

/** `npm run gen`: makes the tables of all documents, and the schemas of options and configs. */
const documents = readdirSync('docs', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md'))
  .map((name) => join('docs', name));
for (const path of documents) {
  const text = readFileSync(path, 'utf8');
  const made = withTables(text, TABLES);
  if (made !== text) writeFileSync(path, made);
}
writeFileSync('docs/options.schema.json', optionSchema());
writeFileSync('docs/config.schema.json', configSchemaText());
writeFileSync('docs/method.schema.json', methodSchemaText());
writeFileSync('docs/grid.schema.json', gridSchemaText());

import type { ColumnSource } from 'hyparquet-writer';
import { type ArrowEntry, type ArrowField, arrowSchema } from './arrow-schema.js';

export interface PandasFrame {
  /** columns that are the index, from the outside in */
  readonly index: readonly string[];
  /** texts in other columns are categories; in an index pandas numbers its values anyway, and in their order */
  readonly categories: boolean;
}

/** What columns are called in Arrow and in pandas' metadata (pandas, "Storing pandas DataFrame objects in Apache Parquet format"). */
const TYPES: Readonly<Record<string, readonly [ArrowField['type'], pandas: string, numpy: string]>> = {
  BOOLEAN: ['bool', 'bool', 'bool'],
  INT64: ['int64', 'int64', 'int64'],
  FLOAT: ['float32', 'float32', 'float32'],
  DOUBLE: ['float64', 'float64', 'float64'],
  STRING: ['text', 'unicode', 'object'],
};
/** pandas numbers categories in the narrowest of these. */
const CODES = [
  [127, 'int8'],
  [32_767, 'int16'],
  [Number.POSITIVE_INFINITY, 'int32'],
] as const;

/**
 * Entries of a Parquet file for readers of data frames: which columns are the index (pandas), and which are categories (pandas and others
 * that read through Arrow). Without either there are none.
 */
export function frameMetadata(
  columns: readonly ColumnSource[],
  { index, categories }: PandasFrame,
): ArrowEntry[] {
  /** how many texts a column has; 0 where it is not a category */
  const counts = new Map(
    columns.map(({ name, type, data }) => {
      const is = categories && type === 'STRING' && !index.includes(name);
      return [name, is ? new Set(Array.from(data).filter((value) => value !== null)).size : 0];
    }),
  );
  const isCategory = (name: string): boolean => counts.get(name)! > 0;
  const told = columns.filter(({ name }) => index.includes(name) || isCategory(name));
  if (told.length === 0) return [];
  const pandas = {
    index_columns: index,
    // the names of columns are texts
    column_indexes: [
      {
        ...{ name: null, field_name: null, pandas_type: 'unicode', numpy_type: 'object' },
        metadata: { encoding: 'UTF-8' },
      },
    ],
    columns: told.map(({ name, type }) => {
      const [, inPandas, inNumpy] = TYPES[type!]!;
      if (!isCategory(name))
        return { name, field_name: name, pandas_type: inPandas, numpy_type: inNumpy, metadata: null };
      const count = counts.get(name)!;
      const [, codes] = CODES.find(([most]) => count <= most)!;
      const metadata = { num_categories: count, ordered: false };
      return { name, field_name: name, pandas_type: 'categorical', numpy_type: codes, metadata };
    }),
    creator: { library: 'lotrc' },
  };
  const fields = columns.map(({ name, type, nullable = true }) => ({
    name,
    type: isCategory(name) ? ('category' as const) : TYPES[type!]![0],
    nullable,
  }));
  const entry = { key: 'pandas', value: JSON.stringify(pandas) };
  return [entry, ...(categories ? [{ key: 'ARROW:schema', value: arrowSchema(fields, [entry]) }] : [])];
}

import type { AdapterSpec } from '../description.js';
import { CP } from './cp.js';
import { DORA } from './dora.js';
import { FACT_TK } from './fact-tk.js';
import { FACT_TT } from './fact-tt.js';
import { HIRA } from './hira.js';
import { IA3 } from './ia3.js';
import { IA3_IN } from './ia3-in.js';
import { LOHA } from './loha.js';
import { LOKR } from './lokr.js';
import { LORA } from './lora.js';
import { LORA_FA } from './lora-fa.js';
import { LORA_PLUS } from './lora-plus.js';
import { LORA_XS } from './lora-xs.js';
import { LORTA } from './lorta.js';
import { LOTR } from './lotr.js';
import { METATT_4D } from './metatt-4d.js';
import { MOSLORA } from './moslora.js';
import { NOLA } from './nola.js';
import { PISSA } from './pissa.js';
import { RANDLORA } from './randlora.js';
import { RANDLORA_SIMPLE } from './randlora-simple.js';
import { RANK_ONE } from './rank-one.js';
import { RSLORA } from './rslora.js';
import { SHARELORA_A } from './sharelora-a.js';
import { SHARELORA_AB } from './sharelora-ab.js';
import { SHARELORA_B } from './sharelora-b.js';
import { TIED_LORA } from './tied-lora.js';
import { VERA } from './vera.js';

const ALL: readonly AdapterSpec[] = [
  LOTR,
  LORA,
  RSLORA,
  LORA_PLUS,
  LORA_FA,
  LORA_XS,
  PISSA,
  MOSLORA,
  SHARELORA_A,
  SHARELORA_B,
  SHARELORA_AB,
  VERA,
  TIED_LORA,
  FACT_TT,
  FACT_TK,
  METATT_4D,
  CP,
  LORTA,
  LOHA,
  LOKR,
  NOLA,
  RANDLORA,
  RANDLORA_SIMPLE,
  RANK_ONE,
  DORA,
  HIRA,
  IA3,
  IA3_IN,
];

/** The methods that `--method` knows by name. */
export const METHODS: ReadonlyMap<string, AdapterSpec> = new Map(ALL.map((spec) => [spec.method, spec]));

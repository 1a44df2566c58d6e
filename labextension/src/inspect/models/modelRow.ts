/** A row of the catalog, whatever the file holds. Twin: describe() in models/catalog/model_table.py. */

import { numbersOf, textsOf } from '../../protocol/inspection.js';

export interface LicenseSummary {
  short: string;
  name: string;
  commercial: string;
  asks: string;
  may: string[];
  must: string[];
}

export interface Memory {
  weights: number;
  cache: number;
  working: number;
  expected: number;
  verdict: string;
  max_tokens: number;
}

export interface ModelRow {
  name: string;
  title: string;
  repository: string;
  license: LicenseSummary;
  gated: boolean | undefined;
  languages: string[];
  goodFor: string;
  context: number;
  parameters: number;
  fetch: number;
  fetchKnown: boolean;
  memory: Memory | undefined;
  speed: { value: number; measured: boolean } | undefined;
  state: string;
}

export const fields = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value ? (value as Record<string, unknown>) : {};
export const text = (value: unknown): string => (typeof value === 'string' ? value : '');
export const number = (value: unknown): number => numbersOf([value])[0]!;

export function readRow(value: unknown): ModelRow {
  const row = fields(value);
  const license = fields(row.license);
  const memory = fields(row.memory);
  const speed = fields(row.speed);
  return {
    name: text(row.name),
    title: text(row.title),
    repository: text(row.repository),
    license: {
      short: text(license.short),
      name: text(license.name),
      commercial: text(license.commercial),
      asks: text(license.asks),
      may: textsOf(license.may),
      must: textsOf(license.must),
    },
    gated: typeof row.gated === 'boolean' ? row.gated : undefined,
    languages: textsOf(row.languages),
    goodFor: text(row.good_for),
    context: number(row.context),
    parameters: number(row.parameters),
    fetch: number(row.fetch),
    fetchKnown: row.fetch_known === true,
    memory: row.memory
      ? {
          weights: number(memory.weights),
          cache: number(memory.cache),
          working: number(memory.working),
          expected: number(memory.expected),
          verdict: text(memory.verdict),
          max_tokens: number(memory.max_tokens),
        }
      : undefined,
    speed: row.speed ? { value: number(speed.value), measured: speed.measured === true } : undefined,
    state: text(row.state),
  };
}

const NAMES = new Intl.DisplayNames(['en'], { type: 'language', fallback: 'code' });

/** "en" → "English"; a code that is none stays as it is. */
export function languageName(code: string): string {
  try {
    return NAMES.of(code) ?? code;
  } catch {
    return code;
  }
}

/** The records of inspections. Twin: views/inspection_record.py. */

import { type Numbers, readPacked } from './arrays.js';
import { RecordError } from './checks.js';
import type { ModelInfo } from './record.js';

export const SCHEMA = 1;

/** What a MIME bundle holds under our type. */
export interface InspectionPayload {
  view?: string;
  schema?: number;
  model?: Partial<ModelInfo>;
  data?: string;
}

export interface InspectionRecord {
  view: string;
  model: ModelInfo;
  head: Record<string, unknown>;
  arrays: Map<string, Numbers>;
}

/** What a view asks of the kernel about its record. */
export type InspectionRequest = { type: `inspection.${string}`; [name: string]: unknown };

export async function readInspection(payload: InspectionPayload): Promise<InspectionRecord> {
  if (!((payload.schema ?? 0) <= SCHEMA))
    throw new RecordError(`This record has schema ${payload.schema}; this view reads up to ${SCHEMA}.`);
  const { head, arrays } = await readPacked(String(payload.data ?? ''));
  const word = (name: keyof ModelInfo) => String(payload.model?.[name] ?? '');
  const model: ModelInfo = {
    name: word('name'),
    revision: word('revision'),
    fingerprint: word('fingerprint'),
    precision: word('precision'),
    licence: word('licence'),
  };
  return { view: String(payload.view), model, head, arrays };
}

/** An array that has to be there, with so many axes. */
export function arrayOf(record: InspectionRecord, name: string, axes: number): Numbers {
  const array = record.arrays.get(name);
  if (array?.shape.length !== axes) throw new RecordError(`This record's ${name} is missing.`);
  return array;
}

/** A list of texts, whatever the file holds. */
export function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(item => (typeof item === 'string' ? item : '')) : [];
}

export function numbersOf(value: unknown): number[] {
  return Array.isArray(value) ? value.map(item => (Number.isFinite(item) ? Number(item) : Number.NaN)) : [];
}

/** How tokens are written by themselves. */
export function wordsOf(value: unknown): (id: number) => string {
  const words = typeof value === 'object' && value ? (value as Record<string, unknown>) : {};
  return id => {
    const text = Object.hasOwn(words, id) ? words[id] : undefined;
    return typeof text === 'string' ? text : `#${id}`;
  };
}

/** Records of a model's inside; their twins are the classes of lens/, as views/picture.py keeps them. */

import { type Numbers, readPacked } from './packed.js';
import { type ModelInfo, RecordError } from './record.js';

export const SCHEMA = 1;

/** What a MIME bundle holds under our type. */
export interface KeptLook {
  view?: string;
  schema?: number;
  model?: Partial<ModelInfo>;
  data?: string;
}

export interface Look {
  view: string;
  model: ModelInfo;
  head: Record<string, unknown>;
  arrays: Map<string, Numbers>;
}

/** What a view asks of the kernel about its record. */
export type Act = { do: string; [name: string]: unknown };

/** What a view may ask of its place. A view knows no host. */
export interface LookHost {
  /** Have the kernel make another record of this one; absent where there is no kernel. */
  ask?: (act: Act) => void;
  /** What the kernel is doing for this view, while it does. */
  busy?: string;
  stop?: () => void;
}

/** A view of one kind. */
export interface LookView {
  update(look: Look, host: LookHost): void;
  dispose(): void;
}
export type MakeView = (look: Look, element: HTMLElement, host: LookHost) => LookView;

export async function readLook(kept: KeptLook): Promise<Look> {
  if (!((kept.schema ?? 0) <= SCHEMA))
    throw new RecordError(`This record has schema ${kept.schema}; this view reads up to ${SCHEMA}.`);
  const { head, arrays } = await readPacked(String(kept.data ?? ''));
  const word = (name: keyof ModelInfo) => String(kept.model?.[name] ?? '');
  const model: ModelInfo = {
    name: word('name'),
    revision: word('revision'),
    fingerprint: word('fingerprint'),
    precision: word('precision'),
    licence: word('licence'),
  };
  return { view: String(kept.view), model, head, arrays };
}

/** An array that has to be there, with so many axes. */
export function numbers(look: Look, name: string, axes: number): Numbers {
  const found = look.arrays.get(name);
  if (found?.shape.length !== axes) throw new RecordError(`This record's ${name} is missing.`);
  return found;
}

/** A list of texts, whatever the file holds. */
export function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(each => (typeof each === 'string' ? each : '')) : [];
}

export function numbersOf(value: unknown): number[] {
  return Array.isArray(value) ? value.map(each => (Number.isFinite(each) ? Number(each) : Number.NaN)) : [];
}

/** How tokens are written by themselves. */
export function wordsOf(value: unknown): (id: number) => string {
  const words = typeof value === 'object' && value ? (value as Record<string, unknown>) : {};
  return id => {
    const text = Object.hasOwn(words, id) ? words[id] : undefined;
    return typeof text === 'string' ? text : `#${id}`;
  };
}

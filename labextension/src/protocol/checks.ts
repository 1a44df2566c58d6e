/** Check what a notebook's file holds: anybody may have written it. Twins: core/record_checks.py, views/record_codec.py. */

export class RecordError extends Error {}

/** Bytes of a record, unpacked; those of one with arrays. */
export const MOST_BYTES = 64 << 20;
export const MOST_PACKED = 256 << 20;
/** Tokens of an answer with its branches, or of a prompt: no model here has a longer context. */
export const MOST_TOKENS = 1 << 17;
export const MOST_BRANCHES = 20;
/** The longest axis of an array that holds nothing. */
const MOST_EMPTY = 4096;
/** Values of one list in a record's head. */
const MOST_LISTED = 1 << 20;

/** The product of an array's dimensions. Throws where a dimension is none, or nothing fills it. */
export function countOf(name: string, shape: unknown): number {
  if (!Array.isArray(shape) || shape.length > 8 || !shape.every(size => isWhole(size, 0, MOST_PACKED)))
    throw new RecordError(`${name} has no shape`);
  const count = shape.reduce((all: number, size: number) => all * size, 1);
  if (count > MOST_PACKED) throw new RecordError(`${name} is cut short`);
  // A view walks over an axis whether or not there is a value on it.
  if (!count && shape.some(size => size > MOST_EMPTY)) throw new RecordError(`${name} is empty`);
  return count;
}

export function isWhole(value: unknown, low: number, high: number): value is number {
  return Number.isInteger(value) && (value as number) >= low && (value as number) <= high;
}

/** The fields of an object; none where it is something else. */
export function fields(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};
}

export function texts(name: string, value: unknown, most = MOST_LISTED): string[] {
  if (!Array.isArray(value) || value.length > most || !value.every(item => typeof item === 'string'))
    throw new RecordError(`${name} is no list of texts`);
  return value;
}

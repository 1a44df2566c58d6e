/** Read records with arrays. Twin: views/array_codec.py. */

import { fromBase64, inflate } from './bytes.js';
import { countOf, MOST_PACKED, RecordError } from './checks.js';
import { fromBytePlanes } from './columns.js';

export interface Numbers {
  data: Float64Array;
  shape: number[];
}

const MOST_HEAD = 32 << 20;
const WIDTHS: Record<string, number> = { u1: 1, u2: 2, u4: 4, f4: 4, f8: 8 };

/** Head and arrays. Throws RecordError where it is damaged. */
export async function readPacked(
  text: string,
): Promise<{ head: Record<string, unknown>; arrays: Map<string, Numbers> }> {
  try {
    const bytes = await inflate(fromBase64(text), MOST_PACKED);
    const size = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0, true);
    if (size > MOST_HEAD) throw new RecordError('its head is too large');
    const { arrays: specs, ...head } = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + size)));
    const arrays = new Map<string, Numbers>();
    let at = 4 + size;
    for (const [name, kind, step, shape] of specs as [string, string, number, number[]][]) {
      const count = countOf(name, shape);
      const width = WIDTHS[kind]!;
      if (!(width > 0) || !Number.isFinite(step) || at + count * width > bytes.length)
        throw new RecordError(`${name} is cut short`);
      arrays.set(name, {
        data: valued(bytes.subarray(at, at + count * width), count, kind, width, step),
        shape,
      });
      at += count * width;
    }
    return { head, arrays };
  } catch (error) {
    throw new RecordError(`This record can't be read: ${error instanceof Error ? error.message : error}`);
  }
}

function valued(data: Uint8Array, count: number, kind: string, width: number, step: number): Float64Array {
  const values = fromBytePlanes(data, count, width);
  if (kind === 'f4') return Float64Array.from(new Float32Array(Uint32Array.from(values).buffer));
  if (step !== 1) for (let n = 0; n < count; n++) values[n]! *= step;
  return values;
}

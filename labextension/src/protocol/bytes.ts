/** Base64, hexadecimal, UTF-8 and deflate. Twins: core/token_columns.py and views/record_codec.py. */

import { MOST_BYTES, RecordError } from './checks.js';

export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), char => char.charCodeAt(0));
}
export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], pair => Number.parseInt(pair, 16));
}
/** Lone surrogates, which Python writes as three bytes each, become U+FFFD. */
export function utf8(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}
/** The inflated bytes. Throws where there are more than `most`, before they are in memory. */

export async function inflate(data: Uint8Array, most: number = MOST_BYTES): Promise<Uint8Array> {
  const stream = new Blob([data as BlobPart]).stream().pipeThrough(new DecompressionStream('deflate'));
  const reader = stream.getReader();
  const parts: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > most) {
      await reader.cancel().catch(() => undefined);
      throw new RecordError(`it has more than ${most >> 20} MB`);
    }
    parts.push(value);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

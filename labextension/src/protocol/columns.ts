/** Tokens as columns of bytes. Twin: core/token_columns.py. */

import { utf8 } from './bytes.js';
import { isWhole, MOST_TOKENS, RecordError } from './checks.js';
import type { Alternative, Head, Token } from './token.js';

export const COLUMNS = [
  ['id', 4],
  ['logprob', 8],
  ['entropy', 2],
  ['rank', 4],
  ['count', 1],
  ['prompt', 4],
  ['word', 4],
  ['other', 4],
  ['other_logprob', 2],
  ['u', 4],
  ['log_total', 4],
  ['allowed', 4],
  ['log_allowed', 4],
  ['banned', 1],
] as const;
/** Those that records of earlier schemas lack. */
const LATE: ReadonlySet<string> = new Set(['u', 'log_total', 'allowed', 'log_allowed', 'banned']);
export const NO_U = 2 ** 32 - 1;
export const ENTROPY = 4096;
export const LOGPROB = 1024;
/** A token with alternatives that are decoded when they are read: most never are. */
export class LazyToken implements Token {
  u?: number;
  log_total?: number;
  allowed?: number;
  log_allowed?: number;

  constructor(
    readonly id: number,
    readonly text: string,
    readonly logprob: number,
    readonly entropy: number,
    readonly rank: number,
    public time: number,
    private readonly others: () => Alternative[],
  ) {}

  get alternatives(): Alternative[] {
    return this.others();
  }

  toJSON(): Token {
    const { id, text, logprob, entropy, rank, time, alternatives, u, log_total, allowed, log_allowed } = this;
    return { id, text, logprob, entropy, rank, time, alternatives, u, log_total, allowed, log_allowed };
  }
}

/** Tokens and head of the bytes of core/token_columns.py; times are microseconds since the token before. */

export function unpack(data: Uint8Array, times: ArrayLike<number>): { tokens: Token[]; head: Head } {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const size = view.getUint32(0, true);
  const head = JSON.parse(utf8(data.subarray(4, 4 + size)));
  const columns: Record<string, Float64Array> = {};
  let at = 4 + size;
  for (const [name, width] of COLUMNS) {
    const count = head.lengths[name] ?? (LATE.has(name) ? 0 : undefined);
    if (!isWhole(count, 0, data.length) || at + count * width > data.length)
      throw new RecordError(`${name} is cut short`);
    if ((name === 'id' || name === 'prompt') && count > MOST_TOKENS)
      throw new RecordError(`it has ${count} tokens`);
    columns[name] = fromBytePlanes(data.subarray(at, at + count * width), count, width);
    at += count * width;
  }
  if (at !== data.length) throw new RecordError('its columns have other lengths');
  const { id, logprob, entropy, rank, count, prompt, word, other, other_logprob, u, log_total } =
    columns as Record<(typeof COLUMNS)[number][0], Float64Array>;
  const ids: number[] = [];
  for (const [n, step] of word.entries()) ids.push((ids[n - 1] ?? 0) + step);
  const place = new Map(ids.map((tokenId, n) => [tokenId, n]));
  const textOf = (tokenId: number): string => head.words[place.get(tokenId)!];
  const totals = new Float32Array(Uint32Array.from(log_total).buffer);
  const { allowed, banned } = columns as Record<'allowed' | 'banned', Float64Array>;
  const masses = new Float32Array(Uint32Array.from(columns.log_allowed!).buffer);
  const tokens: Token[] = [];
  let first = 0;
  let ticks = 0;
  for (let n = 0; n < id.length; n++) {
    const begin = first;
    const own = id[n]!;
    first += count[n]!;
    ticks += times[n] ?? 0;
    const others = (): Alternative[] => {
      let sum = 0;
      return Array.from(other.subarray(begin, begin + count[n]!), (at, k) => {
        sum = (sum + other_logprob[begin + k]!) & 0xffff;
        const otherId = ids[at]!;
        const text = head.other_texts[begin + k] ?? textOf(otherId);
        // What was chosen is kept exactly.
        const exact = otherId === own ? logprob[n]! : -sum / LOGPROB;
        return banned[begin + k]
          ? { id: otherId, text, logprob: exact, banned: true }
          : { id: otherId, text, logprob: exact };
      });
    };
    const text = head.texts[n] ?? textOf(own);
    const row = new LazyToken(own, text, logprob[n]!, entropy[n]! / ENTROPY, rank[n]!, ticks / 1e6, others);
    if (u[n] !== undefined && u[n] !== NO_U) row.u = u[n]! / 2 ** 32;
    if (Number.isFinite(totals[n])) row.log_total = totals[n];
    if (allowed[n] !== undefined && allowed[n] !== NO_U) {
      row.allowed = allowed[n];
      if (Number.isFinite(masses[n])) row.log_allowed = masses[n];
    }
    tokens.push(row);
  }
  const { lengths, words, texts, other_texts, prompt_words, ...rest } = head;
  rest.prompt_ids = [...prompt];
  rest.prompt_texts = prompt_words ? rest.prompt_ids.map((tokenId: number) => textOf(tokenId)) : [];
  for (const [n, text] of Object.entries(prompt_words ?? {}))
    if (Number(n) < rest.prompt_ids.length) rest.prompt_texts[n] = text;
  return { tokens, head: rest };
}
/** Values with their lowest bytes first, then the next …; 8 bytes wide are float64. */

export function fromBytePlanes(data: Uint8Array, count: number, width: number): Float64Array {
  const out = new Float64Array(count);
  if (width === 8) {
    const bytes = new Uint8Array(out.buffer);
    for (let plane = 0; plane < 8; plane++)
      for (let n = 0; n < count; n++) bytes[8 * n + plane] = data[plane * count + n]!;
    return out;
  }
  for (let plane = 0; plane < width; plane++)
    for (let n = 0; n < count; n++) out[n]! += data[plane * count + n]! * 256 ** plane;
  return out;
}

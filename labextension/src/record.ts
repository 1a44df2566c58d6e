/** What travels from the kernel to the views: the mirror of core/records.py and core/columns.py. */

import { inflate, isWhole, MOST_BRANCHES, MOST_TOKENS, RecordError, texts } from './checks.js';

export { RecordError };

export const SCHEMA = 3;

export interface Alternative {
  id: number;
  text: string;
  /** nats */
  logprob: number;
}

export interface Token extends Alternative {
  /** nats */
  entropy: number;
  /** from 0 */
  rank: number;
  alternatives: Alternative[];
  /** seconds since the request began */
  time: number;
  /** The random number that decided on it. */
  u?: number;
  /** The logarithm of the sum of all e^logit. */
  log_total?: number;
}

export interface Timing {
  first_token_s: number;
  decode_tokens_per_s: number;
  prompt_tokens: number;
  cached_tokens: number;
}

export interface ModelInfo {
  name: string;
  revision: string;
  fingerprint: string;
  precision: string;
  licence: string;
}

export type Options = { max_tokens?: number; [name: string]: unknown };

/** An answer that turns off at one token of another: of the answer itself, or of an earlier branch. */
export interface Branch {
  /** 0 is the answer, n the n-th branch. */
  parent: number;
  /** Where its first token stands. */
  at: number;
  text: string;
  /** From `at` on. */
  tokens: Token[];
  stop_reason: string;
  options: Options;
  timing: Timing;
}

export interface Rec {
  schema: number;
  kind: 'generation' | 'trace';
  text: string;
  tokens: Token[];
  stop_reason: string;
  prompt: string;
  prompt_ids: number[];
  /** One text a prompt token; empty where they were not noted. */
  prompt_texts: string[];
  /** Ids of special tokens, and how they are written. */
  specials: Map<number, string>;
  options: Options;
  timing: Timing;
  model: ModelInfo;
  vocab_size: number;
  pieces: Map<number, Uint8Array>;
  /** The first token that the model expected anything of. */
  predicted_from: number;
  branches: Branch[];
  /** What the user should know of how it came about. */
  note: string;
  /** Which turn of which conversation it is; of none where it stands alone. */
  turn: ConversationTurn | undefined;
}

export interface ConversationTurn {
  name: string;
  /** From 1. */
  turn: number;
  /** An earlier turn was answered anew after this one. */
  stale?: number;
}

function turnOf(value: unknown): ConversationTurn | undefined {
  const { name, turn, stale } = (value ?? {}) as Record<string, unknown>;
  if (typeof name !== 'string' || !isWhole(turn, 1, 1e6)) return undefined;
  return { name, turn, ...(isWhole(stale, 1, turn - 1) && { stale }) };
}

/** What a MIME bundle holds under our type. */
export interface Kept {
  schema?: number;
  kind?: string;
  data?: string;
  view?: string;
  final?: boolean;
  max_tokens?: number;
  model?: ModelInfo;
  stop_reason?: string;
  /** How much of the Markdown is the answer itself. */
  prose?: number;
  note?: string;
  conversation?: unknown;
  run?: { id?: string; timing?: Timing; times?: string; branches?: { timing: Timing }[] };
}

const COLUMNS = [
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
] as const;
const NO_U = 2 ** 32 - 1;
const ENTROPY = 4096;
const LOGPROB = 1024;
const NO_TIMING: Timing = { first_token_s: 0, decode_tokens_per_s: 0, prompt_tokens: 0, cached_tokens: 0 };
const NO_MODEL: ModelInfo = { name: '', revision: '', fingerprint: '', precision: '', licence: '' };

/** A record of which nothing is known yet: what a live view begins with. */
export function emptyRecord(head: Kept = {}): Rec {
  return {
    schema: SCHEMA,
    kind: head.kind === 'trace' ? 'trace' : 'generation',
    text: '',
    tokens: [],
    stop_reason: '',
    prompt: '',
    prompt_ids: [],
    prompt_texts: [],
    specials: new Map(),
    options: { max_tokens: head.max_tokens },
    timing: NO_TIMING,
    model: { ...NO_MODEL, ...head.model },
    vocab_size: 0,
    pieces: new Map(),
    predicted_from: 0,
    branches: [],
    note: typeof head.note === 'string' ? head.note : '',
    turn: turnOf(head.conversation),
  };
}

/** The record of a kept bundle, of this schema or an earlier one. Throws RecordError where it can't be read. */
export async function readKept(kept: Kept): Promise<Rec> {
  const schema = kept.schema ?? 1;
  if (!(schema <= SCHEMA))
    throw new RecordError(`This record has schema ${schema}; this view reads up to ${SCHEMA}.`);
  try {
    const data = await inflate(fromBase64(kept.data ?? ''));
    if (schema === 1) return checked(ofSchema1(JSON.parse(utf8(data))));
    const times = await inflate(fromBase64(kept.run?.times ?? ''));
    const { tokens, head } = unpack(data, unplaned(times, times.length >> 2, 4));
    return checked(ofHead(head, tokens, kept));
  } catch (error) {
    throw new RecordError(`This record can't be read: ${error instanceof Error ? error.message : error}`);
  }
}

type Head = Record<string, unknown>;

/** The record, if its texts are texts and its branches turn off where there are tokens. */
function checked(record: Rec): Rec {
  const bad = (what: string) => new RecordError(`its ${what} cannot be`);
  for (const name of ['text', 'prompt', 'stop_reason'] as const)
    if (typeof record[name] !== 'string') throw bad(name);
  if (record.tokens.length > MOST_TOKENS) throw bad('number of tokens');
  texts('prompt_texts', record.prompt_texts, MOST_TOKENS);
  if (!isWhole(record.predicted_from, 0, MOST_TOKENS)) throw bad('predicted_from');
  if (record.branches.length > MOST_BRANCHES) throw bad('number of branches');
  for (const [n, branch] of record.branches.entries()) {
    if (!isWhole(branch.parent, 0, n)) throw bad('branches');
    if (!isWhole(branch.at, 0, pathTokens(record, branch.parent).length)) throw bad('branches');
    if (typeof branch.text !== 'string' || typeof branch.stop_reason !== 'string') throw bad('branches');
    if (typeof branch.options !== 'object' || !branch.options) throw bad('branches');
  }
  if (typeof record.options !== 'object' || !record.options) throw bad('options');
  return record;
}

function ofHead(head: Head, all: Token[], kept: Kept): Rec {
  const kinds = (head.branches ?? []) as (Omit<Branch, 'tokens' | 'timing'> & { tokens: number })[];
  if (kinds.length > MOST_BRANCHES || !kinds.every(each => isWhole(each.tokens, 0, all.length)))
    throw new RecordError('its branches cannot be');
  const own = all.length - kinds.reduce((sum, branch) => sum + branch.tokens, 0);
  let from = own;
  const branches = kinds.map((branch, n) => {
    const tokens = all.slice(from, from + branch.tokens);
    from += branch.tokens;
    return { ...branch, tokens, timing: kept.run?.branches?.[n]?.timing ?? NO_TIMING };
  });
  const joined = (parts: readonly { text: string }[]) => parts.map(part => part.text).join('');
  const { stop_reason, options, vocab_size, predicted_from } = kept as Partial<Rec>;
  const prompt_texts = (head.prompt_texts ?? []) as string[];
  return {
    ...emptyRecord(kept),
    ...(stop_reason && { stop_reason }),
    ...(options && { options }),
    ...(vocab_size && { vocab_size }),
    ...(predicted_from && { predicted_from }),
    // Left out where the tokens say it already.
    text: joined(all.slice(0, own)),
    prompt: prompt_texts.join(''),
    ...(head as object),
    tokens: all.slice(0, own),
    timing: kept.run?.timing ?? NO_TIMING,
    specials: byId(head.specials, text => String(text)),
    pieces: byId(head.pieces, text => fromHex(String(text))),
    branches,
  };
}

function byId<T>(value: unknown, read: (value: unknown) => T): Map<number, T> {
  return new Map(Object.entries((value ?? {}) as object).map(([id, each]) => [Number(id), read(each)]));
}

/** A token whose alternatives are made when they are looked at: most never are. */
class Row implements Token {
  u?: number;
  log_total?: number;

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
    const { id, text, logprob, entropy, rank, time, alternatives, u, log_total } = this;
    return { id, text, logprob, entropy, rank, time, alternatives, u, log_total };
  }
}

/** Tokens and head of the bytes of core/columns.py; times are microseconds since the token before. */
export function unpack(data: Uint8Array, times: ArrayLike<number>): { tokens: Token[]; head: Head } {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const size = view.getUint32(0, true);
  const head = JSON.parse(utf8(data.subarray(4, 4 + size)));
  const columns: Record<string, Float64Array> = {};
  let at = 4 + size;
  for (const [name, width] of COLUMNS) {
    const late = name === 'u' || name === 'log_total'; // records of the second schema have neither
    const count = head.lengths[name] ?? (late ? 0 : undefined);
    if (!isWhole(count, 0, data.length) || at + count * width > data.length)
      throw new RecordError(`${name} is cut short`);
    if ((name === 'id' || name === 'prompt') && count > MOST_TOKENS)
      throw new RecordError(`it has ${count} tokens`);
    columns[name] = unplaned(data.subarray(at, at + count * width), count, width);
    at += count * width;
  }
  if (at !== data.length) throw new RecordError('its columns have other lengths');
  const { id, logprob, entropy, rank, count, prompt, word, other, other_logprob, u, log_total } =
    columns as Record<(typeof COLUMNS)[number][0], Float64Array>;
  const ids: number[] = [];
  for (const [n, step] of word.entries()) ids.push((ids[n - 1] ?? 0) + step);
  const place = new Map(ids.map((each, n) => [each, n]));
  const textOf = (each: number): string => head.words[place.get(each)!];
  const totals = new Float32Array(Uint32Array.from(log_total).buffer);
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
        const each = ids[at]!;
        const text = head.other_texts[begin + k] ?? textOf(each);
        // What was chosen is kept exactly.
        return { id: each, text, logprob: each === own ? logprob[n]! : -sum / LOGPROB };
      });
    };
    const text = head.texts[n] ?? textOf(own);
    const row = new Row(own, text, logprob[n]!, entropy[n]! / ENTROPY, rank[n]!, ticks / 1e6, others);
    if (u[n] !== undefined && u[n] !== NO_U) row.u = u[n]! / 2 ** 32;
    if (Number.isFinite(totals[n])) row.log_total = totals[n];
    tokens.push(row);
  }
  const { lengths, words, texts, other_texts, prompt_words, ...rest } = head;
  rest.prompt_ids = [...prompt];
  rest.prompt_texts = prompt_words ? rest.prompt_ids.map((each: number) => textOf(each)) : [];
  for (const [n, text] of Object.entries(prompt_words ?? {}))
    if (Number(n) < rest.prompt_ids.length) rest.prompt_texts[n] = text;
  return { tokens, head: rest };
}

/** Values whose lowest bytes come first, then the next …; 8 bytes wide are float64. */
export function unplaned(data: Uint8Array, count: number, width: number): Float64Array {
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

// biome-ignore lint/suspicious/noExplicitAny: any JSON; whatever is missing throws and becomes a RecordError.
function ofSchema1(data: any): Rec {
  const c = data.tokens;
  const tokens = c.id.map((id: number, n: number) => ({
    id,
    text: c.text[n],
    logprob: c.logprob[n],
    entropy: c.entropy[n],
    rank: c.rank[n],
    time: c.time_s[n],
    alternatives: c.alternatives[n][0].map((other: number, k: number) => ({
      id: other,
      text: c.alternatives[n][1][k],
      logprob: c.alternatives[n][2][k],
    })),
  }));
  const model = { ...data.model, fingerprint: data.model.fingerprint ?? data.model.sha256 ?? '' };
  return {
    ...emptyRecord(),
    ...data,
    kind: 'generation',
    tokens,
    model,
    specials: new Map(),
    pieces: new Map(),
  };
}

/** The tokens of one path through the tree: of the answer (0) or of the n-th branch. */
export function pathTokens(record: Rec, path: number): Token[] {
  const branch = record.branches[path - 1];
  // A parent comes before its branch; a damaged record may say otherwise and must not lead in a circle.
  return branch && branch.parent < path
    ? [...pathTokens(record, branch.parent).slice(0, branch.at), ...branch.tokens]
    : record.tokens;
}

/** The record with one more branch, of which there is so much so far. */
export function withGrowing(record: Rec, parent: number, at: number, tokens: Token[]): Rec {
  const whole = [...pathTokens(record, parent).slice(0, at), ...tokens];
  const text = whole.map(token => token.text).join('');
  const { timing, options } = record;
  const branch = { parent, at, text, tokens, stop_reason: '', options, timing };
  return { ...record, branches: [...record.branches, branch] };
}

/** The record of which one path goes on with these tokens. */
export function withMore(record: Rec, path: number, tokens: Token[]): Rec {
  const text = tokens.map(token => token.text).join('');
  const more = <T extends { text: string; tokens: Token[] }>(each: T): T => ({
    ...each,
    text: each.text + text,
    tokens: [...each.tokens, ...tokens],
  });
  if (path === 0) return more(record);
  return { ...record, branches: record.branches.map((each, n) => (n === path - 1 ? more(each) : each)) };
}

export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), char => char.charCodeAt(0));
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], pair => Number.parseInt(pair, 16));
}

/** Lone surrogates, which Python writes as three bytes each, become U+FFFD. */
function utf8(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}

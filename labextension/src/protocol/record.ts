/** The record of an answer. Twins: core/records.py, views/record_codec.py. */

import { fromBase64, fromHex, inflate, utf8 } from './bytes.js';
import { isWhole, MOST_BRANCHES, MOST_TOKENS, RecordError, texts } from './checks.js';
import { fromBytePlanes, unpack } from './columns.js';
import type { Head, Token } from './token.js';

export const SCHEMA = 4;

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

export interface GenerationRecord {
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
  /** Fields of tokens that a server did not tell: they are 0, or a rank that is not among the alternatives. */
  missing: readonly TokenField[];
  /** What the user should know of how it came about. */
  note: string;
  /** Which turn of which conversation it is; of none where it stands alone. */
  turn: ConversationTurn | undefined;
}

export type TokenField = 'logprob' | 'rank' | 'entropy';

function missingOf(value: unknown): TokenField[] {
  const fields: TokenField[] = ['logprob', 'rank', 'entropy'];
  return Array.isArray(value) ? fields.filter(field => value.includes(field)) : [];
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
export interface RecordPayload {
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
  missing?: unknown;
  note?: string;
  conversation?: unknown;
  run?: { id?: string; timing?: Timing; times?: string; branches?: { timing: Timing }[] };
}

const NO_TIMING: Timing = { first_token_s: 0, decode_tokens_per_s: 0, prompt_tokens: 0, cached_tokens: 0 };
const NO_MODEL: ModelInfo = { name: '', revision: '', fingerprint: '', precision: '', licence: '' };

/** A record of which nothing is known yet: what a live view begins with. */
export function emptyRecord(head: RecordPayload = {}): GenerationRecord {
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
    missing: missingOf(head.missing),
    note: typeof head.note === 'string' ? head.note : '',
    turn: turnOf(head.conversation),
  };
}

/** The record of a kept bundle, of this schema or an earlier one. Throws RecordError where it can't be read. */
export async function readRecord(payload: RecordPayload): Promise<GenerationRecord> {
  const schema = payload.schema ?? 1;
  if (!(schema <= SCHEMA))
    throw new RecordError(`This record has schema ${schema}; this view reads up to ${SCHEMA}.`);
  try {
    const data = await inflate(fromBase64(payload.data ?? ''));
    if (schema === 1) return checked(ofSchema1(JSON.parse(utf8(data))));
    const times = await inflate(fromBase64(payload.run?.times ?? ''));
    const { tokens, head } = unpack(data, fromBytePlanes(times, times.length >> 2, 4));
    return checked(ofHead(head, tokens, payload));
  } catch (error) {
    throw new RecordError(`This record can't be read: ${error instanceof Error ? error.message : error}`);
  }
}

/** The record, if its texts are texts and its branches turn off where there are tokens. */
function checked(record: GenerationRecord): GenerationRecord {
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

function ofHead(head: Head, all: Token[], payload: RecordPayload): GenerationRecord {
  const kinds = (head.branches ?? []) as (Omit<Branch, 'tokens' | 'timing'> & { tokens: number })[];
  if (kinds.length > MOST_BRANCHES || !kinds.every(kind => isWhole(kind.tokens, 0, all.length)))
    throw new RecordError('its branches cannot be');
  const own = all.length - kinds.reduce((sum, branch) => sum + branch.tokens, 0);
  let from = own;
  const branches = kinds.map((branch, n) => {
    const tokens = all.slice(from, from + branch.tokens);
    from += branch.tokens;
    return { ...branch, tokens, timing: payload.run?.branches?.[n]?.timing ?? NO_TIMING };
  });
  const joined = (parts: readonly { text: string }[]) => parts.map(part => part.text).join('');
  const { stop_reason, options, vocab_size, predicted_from } = payload as Partial<GenerationRecord>;
  const prompt_texts = (head.prompt_texts ?? []) as string[];
  return {
    ...emptyRecord(payload),
    ...(stop_reason && { stop_reason }),
    ...(options && { options }),
    ...(vocab_size && { vocab_size }),
    ...(predicted_from && { predicted_from }),
    // Left out where the tokens say it already.
    text: joined(all.slice(0, own)),
    prompt: prompt_texts.join(''),
    ...(head as object),
    tokens: all.slice(0, own),
    timing: payload.run?.timing ?? NO_TIMING,
    specials: byId(head.specials, text => String(text)),
    pieces: byId(head.pieces, text => fromHex(String(text))),
    branches,
  };
}

function byId<T>(value: unknown, read: (value: unknown) => T): Map<number, T> {
  return new Map(Object.entries((value ?? {}) as object).map(([id, item]) => [Number(id), read(item)]));
}

// biome-ignore lint/suspicious/noExplicitAny: any JSON; whatever is missing throws and becomes a RecordError.
function ofSchema1(data: any): GenerationRecord {
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
export function pathTokens(record: GenerationRecord, path: number): Token[] {
  const branch = record.branches[path - 1];
  // A parent comes before its branch; a damaged record may say otherwise and must not lead in a circle.
  return branch && branch.parent < path
    ? [...pathTokens(record, branch.parent).slice(0, branch.at), ...branch.tokens]
    : record.tokens;
}

/** The record with one more branch, of which there is so much so far. */
export function withGrowing(
  record: GenerationRecord,
  parent: number,
  at: number,
  tokens: Token[],
): GenerationRecord {
  const whole = [...pathTokens(record, parent).slice(0, at), ...tokens];
  const text = whole.map(token => token.text).join('');
  const { timing, options } = record;
  const branch = { parent, at, text, tokens, stop_reason: '', options, timing };
  return { ...record, branches: [...record.branches, branch] };
}

/** The record of which one path goes on with these tokens. */
export function withExtension(record: GenerationRecord, path: number, tokens: Token[]): GenerationRecord {
  const text = tokens.map(token => token.text).join('');
  const more = <T extends { text: string; tokens: Token[] }>(answer: T): T => ({
    ...answer,
    text: answer.text + text,
    tokens: [...answer.tokens, ...tokens],
  });
  if (path === 0) return more(record);
  return {
    ...record,
    branches: record.branches.map((branch, n) => (n === path - 1 ? more(branch) : branch)),
  };
}

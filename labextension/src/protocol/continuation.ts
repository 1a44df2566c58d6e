/** Go on with an answer: what is asked of the kernel, and how the record grows meanwhile. Twin: magics/commands.py. */

import type { ViewMessage } from './messages.js';
import {
  type GenerationRecord,
  pathTokens,
  type RecordPayload,
  withExtension,
  withGrowing,
} from './record.js';
import type { Token } from './token.js';

export interface Continuation {
  order: (id: string) => ViewMessage;
  /** The answer has at most so many tokens. */
  most: number;
  /** The record with the tokens so far. */
  grown: (tokens: Token[]) => GenerationRecord;
}

/** Whether the kernel can go on with an answer: a server has no weights here, and an old record no prompt. */
export function canContinue(payload: RecordPayload): boolean {
  const remote = String(payload.model?.revision ?? '').startsWith('openai:');
  return payload.kind !== 'trace' && (payload.schema ?? 1) > 1 && !remote;
}

/** Another token at a place of an answer or of its branch `parent`. */
export function branchFrom(
  payload: RecordPayload,
  record: GenerationRecord,
  parent: number,
  at: number,
  token: number | string,
): Continuation {
  const known = pathTokens(record, parent)[at]?.alternatives.find(item => item.id === token);
  const first = known ? [{ ...known, entropy: 0, rank: 0, alternatives: [], time: 0 }] : [];
  return {
    order: id => ({ type: 'generation.branch', id, record: payload, parent, at, token }),
    most: Math.max(record.options.max_tokens ?? 0, at + 1),
    grown: tokens => withGrowing(record, parent, at, tokens.length ? tokens : first),
  };
}

/** More of an answer, or of its branch `path`, that was cut off. */
export function extensionOf(payload: RecordPayload, record: GenerationRecord, path: number): Continuation {
  return {
    order: id => ({ type: 'generation.extend', id, record: payload, path }),
    most: pathTokens(record, path).length,
    grown: tokens => withExtension(record, path, tokens),
  };
}

/** Answers that stand side by side, as a record holds them. Twin: llm_magics/inspection/side_by_side.py. */

import { numbersOf, textsOf } from '../../protocol/inspection.js';
import type { ModelInfo } from '../../protocol/record.js';

export interface Answer {
  model: ModelInfo;
  seed: string;
  texts: string[];
  /** Natural logarithms of the probabilities of its tokens. */
  logprobs: ArrayLike<number>;
  stop: string;
  seconds: number;
  first: number;
  speed: number;
  perplexity: number;
  running: boolean;
  error: string;
  /** A remark for the user on how the answer came about. */
  note: string;
}

/** A further answer against the first one. */
export interface Pair {
  /** How many tokens of the first, and of the other, are in the part that both have. */
  common: [number, number];
  /** The token where they part, from 1, in each; 0 where one has ended or may still go on. */
  token: [number, number];
  /** What each weighed there: NaN where it was not among the alternatives. */
  next: { text: string; a: number; b: number }[];
  sentence: string;
}

const object = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value ? (value as Record<string, unknown>) : {};
const word = (value: unknown): string => (typeof value === 'string' ? value : '');
const number = (value: unknown): number => (Number.isFinite(value) ? Number(value) : Number.NaN);

export function readModel(value: unknown): ModelInfo {
  const data = object(value);
  return {
    name: word(data.name),
    revision: word(data.revision),
    fingerprint: word(data.fingerprint),
    precision: word(data.precision),
    licence: word(data.licence),
  };
}

/** The answers of a list; `logprobs` has those of all of them, one behind the other, from `begin` on. */
export function readAnswers(value: unknown, logprobs: Float64Array, begin = 0): Answer[] {
  let at = begin;
  return (Array.isArray(value) ? value : []).map(item => {
    const data = object(item);
    const texts = textsOf(data.texts);
    const own = logprobs.subarray(at, at + texts.length);
    at += texts.length;
    return {
      model: readModel(data.model),
      seed: word(data.seed),
      texts,
      logprobs: own,
      stop: word(data.stop),
      seconds: number(data.seconds),
      first: number(data.first_s),
      speed: number(data.speed),
      perplexity: number(data.perplexity),
      running: data.running === true,
      error: word(data.error),
      note: word(data.note),
    };
  });
}

export function readPair(value: unknown): Pair {
  const data = object(value);
  const two = (item: unknown): [number, number] => {
    const [a = 0, b = 0] = numbersOf(item).map(count => (count >= 0 ? Math.floor(count) : 0));
    return [a, b];
  };
  const next = (Array.isArray(data.next) ? data.next : []).slice(0, 12).map(row => {
    const [text, a, b] = Array.isArray(row) ? row : [];
    return { text: word(text), a: number(a), b: number(b) };
  });
  return { common: two(data.common), token: two(data.token), next, sentence: word(data.sentence) };
}

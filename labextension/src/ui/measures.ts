/** How unexpected a token was, in six steps, by one of the measures of the design. */

import type { TokenField } from '../protocol/record.js';
import type { Token } from '../protocol/token.js';
import { bits, count, fixed, percent, probability } from './format.js';

export type Mode = 'text' | 'surprisal' | 'probability' | 'rank' | 'entropy' | 'time';

export interface Measure {
  label: string;
  /** What the legend's numbers are. */
  unit: string;
  /** Where steps 1–5 begin. */
  edges: readonly number[];
  of(token: Token, place: number, tokens: readonly Token[]): number;
  /** Whether small values are the unexpected ones. */
  falling?: boolean;
  say(value: number): string;
}

/** The logprob of a token among those that the grammar of its answer allowed; all, where it has none. */
export const amongAllowed = (token: Token): number => Math.min(token.logprob - (token.log_allowed ?? 0), 0);

export const MEASURES: Record<Exclude<Mode, 'text'>, Measure> = {
  surprisal: {
    label: 'Surprisal',
    unit: 'bits',
    edges: [1, 2, 3, 5, 8],
    of: token => bits(-amongAllowed(token)),
    say: value => `${fixed(value, 2)} bits`,
  },
  probability: {
    label: 'Probability',
    unit: '%',
    edges: [50, 25, 10, 3, 0.3],
    of: token => 100 * probability(amongAllowed(token)),
    falling: true,
    say: value => percent(value / 100),
  },
  rank: {
    label: 'Rank',
    unit: 'rank',
    edges: [2, 3, 6, 21, 101],
    of: token => token.rank + 1,
    say: value => `rank ${count(value)}`,
  },
  entropy: {
    label: 'Entropy',
    unit: 'bits',
    edges: [1, 2, 3, 5, 7],
    of: token => bits(token.entropy),
    say: value => `${fixed(value, 2)} bits`,
  },
  // Guessed tokens come several at once, and the first waits for the prompt: whole milliseconds tell enough.
  time: {
    label: 'Time',
    unit: 'ms',
    edges: [10, 20, 50, 100, 500],
    of: (token, place, tokens) => 1000 * (token.time - (tokens[place - 1]?.time ?? 0)),
    say: value => `${fixed(value, 0)} ms`,
  },
};

/** Whether the tokens of a record have what a mode shows. */
export const hasMode = (mode: Mode, missing: readonly TokenField[]): boolean =>
  mode === 'text' || mode === 'time' || !NEEDS[mode].some(field => missing.includes(field));

const NEEDS: Record<Exclude<Mode, 'text' | 'time'>, TokenField[]> = {
  surprisal: ['logprob'],
  probability: ['logprob'],
  rank: ['logprob', 'rank'],
  entropy: ['entropy'],
};

export const MODES: Mode[] = ['text', 'surprisal', 'probability', 'rank', 'entropy', 'time'];

/** The rank of a token; a server tells it of the alternatives only. */
export const rankWords = (token: Token, missing: readonly TokenField[]): string =>
  missing.includes('rank') && token.rank >= token.alternatives.length
    ? `rank over ${count(token.alternatives.length)}`
    : `rank ${count(token.rank + 1)}`;

/** 0 (expected) to 5. */
export function stepOf(measure: Measure, value: number): number {
  if (!Number.isFinite(value)) return 0;
  let step = 0;
  while (step < 5 && (measure.falling ? value < measure.edges[step]! : value >= measure.edges[step]!)) step++;
  return step;
}

/** How high a token's bar is, 0 to 1: the more unexpected, the higher. */
export function barHeight(measure: Measure, value: number): number {
  if (!Number.isFinite(value)) return 0;
  if (measure.falling) return 1 - Math.min(value, 100) / 100;
  const [first, last] = [measure.edges[0]!, measure.edges[4]!];
  // Edges that are far apart, as those of ranks and times are: on a log axis.
  const far = last / first > 20;
  const share = far ? Math.log1p(value) / Math.log1p(last) : value / last;
  return Math.max(0, Math.min(share, 1));
}

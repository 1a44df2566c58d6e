/** The record of a tuning run. Twin: tuning/view_record.py. */

import { fields } from './checks.js';

export type RunState =
  | 'new'
  | 'loading'
  | 'training'
  | 'paused'
  | 'done'
  | 'stopped'
  | 'failed'
  | 'interrupted';

export interface TunedAnswer {
  step: number;
  strength: number;
  /** Text, and 1 where it is new. */
  text: [string, number][];
  /** Which tokens of the answer before are gone. */
  lost: number[];
}

export interface PromptAnswers {
  prompt: string;
  before: string[];
  after: TunedAnswer[];
}

export interface TuningRecord {
  id: string;
  final: boolean;
  state: RunState;
  why: string;
  name: string;
  /** The name under which the adapter is kept on the disk; empty where it is not. */
  kept: string;
  model: { name: string; precision: string; licence: string };
  source: string;
  rows: { all: number; train: number; choose: number; final: number };
  rank: number;
  plan: { first: number; steps: number; every: number; rate: number; reason: string } | null;
  step: number;
  total: number;
  tokens_per_s: number | null;
  left_s: number | null;
  memory: { weights?: number; adapter?: number; activations?: number; limit?: number };
  weights: [number, number];
  /** Steps, and the loss of each in nats a token. */
  loss: [number[], number[]];
  held_out: [number[], number[]];
  best: number | null;
  rising: boolean;
  notes: string[];
  strength: number;
  adapter_step: number;
  prompts: PromptAnswers[];
  perplexity: { before: number; after: number; after_interval: [number, number]; rows: number } | null;
}

const NOTHING: TuningRecord = {
  id: '',
  final: true,
  state: 'interrupted',
  why: '',
  name: '',
  kept: '',
  model: { name: '', precision: '', licence: '' },
  source: '',
  rows: { all: 0, train: 0, choose: 0, final: 0 },
  rank: 0,
  plan: null,
  step: 0,
  total: 0,
  tokens_per_s: null,
  left_s: null,
  memory: {},
  weights: [0, 0],
  loss: [[], []],
  held_out: [[], []],
  best: null,
  rising: false,
  notes: [],
  strength: 1,
  adapter_step: 0,
  prompts: [],
  perplexity: null,
};

/** A record from a notebook's file, whatever is in it: what has another shape is left out. */
export function readTuning(data: unknown): TuningRecord {
  const raw = fields(data);
  const read: Record<string, unknown> = { ...NOTHING };
  for (const [name, empty] of Object.entries(NOTHING)) {
    const value = raw[name];
    if (Array.isArray(empty)) read[name] = Array.isArray(value) ? value : empty;
    else if (empty !== null && typeof empty === 'object') read[name] = { ...empty, ...alike(fields(value)) };
    else if (empty !== null && typeof value === typeof empty) read[name] = value;
  }
  const record = read as unknown as TuningRecord;
  const [learnt, all] = record.weights.map(Number);
  const { plan, perplexity } = raw as Partial<TuningRecord>;
  return {
    ...record,
    best: number(raw.best),
    left_s: number(raw.left_s),
    tokens_per_s: number(raw.tokens_per_s),
    weights: [learnt || 0, all || 0],
    loss: curve(record.loss),
    held_out: curve(record.held_out),
    notes: record.notes.map(String),
    prompts: record.prompts.filter(item => Array.isArray(fields(item).before)).map(asked),
    plan: plan ? { ...plan, reason: String(plan.reason ?? '') } : null,
    perplexity: perplexity && Array.isArray(perplexity.after_interval) ? perplexity : null,
  };
}

const number = (value: unknown): number | null => (Number.isFinite(value) ? (value as number) : null);

/** Words and numbers only. */
function alike(value: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).filter(([, item]) => typeof item === 'string' || Number.isFinite(item)),
  );
}

function curve(raw: unknown): [number[], number[]] {
  const [x, y] = Array.isArray(raw) ? raw : [];
  if (!Array.isArray(x) || !Array.isArray(y)) return [[], []];
  const good = x.map((_, n) => n).filter(n => Number.isFinite(x[n]) && Number.isFinite(y[n]));
  return [good.map(n => Number(x[n])), good.map(n => Number(y[n]))];
}

function asked(item: PromptAnswers): PromptAnswers {
  const after = (Array.isArray(item.after) ? item.after : []).filter(answer => Array.isArray(answer?.text));
  return {
    prompt: String(item.prompt),
    before: item.before.map(String),
    after: after.map(answer => ({
      step: Number(answer.step),
      strength: Number(answer.strength),
      text: answer.text.map(([text, mark]) => [String(text), Number(mark)]),
      lost: Array.isArray(answer.lost) ? answer.lost.map(Number) : [],
    })),
  };
}

export type TuningCommand =
  | { type: `tuning.${'stop' | 'pause' | 'resume' | 'revert' | 'show' | 'query' | 'delete'}` }
  | { type: 'tuning.save'; name: string }
  | { type: 'tuning.extend'; steps: number }
  | { type: 'tuning.strength'; strength: number };

/** What the view may ask of its place; absent where there is no kernel. */
export interface TuningHost {
  order?: (order: TuningCommand) => void;
}

/** What a playground's view and the kernel tell each other; its twin is magics/playground.py. */

import { fields } from './checks.js';
import type { Channel } from './host.js';
import type { Answers } from './live.js';
import type { Kept } from './record.js';

export interface Settings {
  temperature: number;
  top_p: number;
  top_k: number;
  min_p: number;
  repetition_penalty: number;
  max_tokens: number;
  seed: number;
}

export interface PlayTurn {
  asked: string;
  live: string;
  failed: string;
  path: number;
  fork: [number, number] | null;
  /** What is being made is added to the answer. */
  more: boolean;
  kept?: Kept | null;
  /** By which the answer is known, whichever version is looked at. */
  key: string;
  /** How many versions there are, and which is looked at. */
  versions: [number, number];
  /** The answer as safe Markdown. */
  markdown?: string;
}

export interface PlayState {
  schema?: number;
  id: string;
  model: string | null;
  settings: Settings;
  /** Which of the view's changes these settings are. */
  set?: number;
  system: string;
  raw: boolean;
  turns: PlayTurn[];
  loading: { what: string; share: number | null } | null;
  failed: string;
  /** Why a model could not be loaded. */
  refused: string;
  adapter: string;
  /** What was cleared can be brought back. */
  undo: boolean;
  /** Tokens of the conversation, and of what the model can read. */
  context: [number, number] | null;
  /** The versions that are not looked at: for the kernel alone. */
  others?: unknown;
}

export interface ModelRow {
  name: string;
  title: string;
  licence: string;
  bytes: number;
}

/** Each message has one of these. */
export interface PlayNews {
  do: 'play';
  id: string;
  now?: PlayState;
  models?: ModelRow[];
  memory?: { free: number; total: number };
  adapters?: string[];
  turn?: number;
  key?: string;
  markdown?: string;
  kept?: Kept;
  bundle?: Record<string, unknown>;
  cells?: string[];
  gone?: boolean;
  /** The kernel does not know this conversation: it is told of it when something is asked in it. */
  unknown?: boolean;
}

/** Where a playground is shown. */
export interface PlayHost extends Channel {
  answers: Answers;
  onPlay(listener: (news: PlayNews) => void): () => void;
  /** Put cells below, and show them; gives what takes them away again. Absent where the host can't. */
  insertCells?: (sources: string[]) => () => void;
  /** Keep the conversation in the notebook. */
  write?: (bundle: Record<string, unknown>) => void;
}

const SETTINGS: Settings = {
  temperature: 0.7,
  top_p: 0.95,
  top_k: 40,
  min_p: 0.05,
  repetition_penalty: 1,
  max_tokens: 256,
  seed: 0,
};
const MOST_TURNS = 200;

/** A conversation from a notebook's file, whatever is in it: what has another shape is left out. */
export function readPlay(data: unknown): PlayState {
  const given = fields(data);
  const settings: Settings = { ...SETTINGS };
  for (const [name, value] of Object.entries(fields(given.settings)))
    if (Object.hasOwn(SETTINGS, name) && typeof value === 'number' && Number.isFinite(value))
      settings[name as keyof Settings] = Math.min(Math.max(value, 0), 2 ** 32);
  const turns = Array.isArray(given.turns) ? given.turns.slice(0, MOST_TURNS) : [];
  const loading = fields(given.loading);
  return {
    id: text(given.id),
    model: typeof given.model === 'string' ? given.model : null,
    settings,
    set: typeof given.set === 'number' ? given.set : 0,
    system: text(given.system),
    raw: given.raw === true,
    turns: turns.map((each, n) => turnOf(each, n)),
    loading:
      typeof loading.what === 'string'
        ? { what: loading.what, share: typeof loading.share === 'number' ? loading.share : null }
        : null,
    failed: text(given.failed),
    refused: text(given.refused),
    adapter: text(given.adapter),
    undo: given.undo === true,
    context: pair(given.context),
    others: given.others,
  };
}

const pair = (value: unknown): [number, number] | null =>
  Array.isArray(value) && value.length === 2 && value.every(each => Number.isInteger(each))
    ? [value[0], value[1]]
    : null;

function turnOf(data: unknown, n: number): PlayTurn {
  const given = fields(data);
  return {
    asked: text(given.asked),
    live: text(given.live),
    failed: text(given.failed),
    path: Number.isInteger(given.path) && (given.path as number) >= 0 ? (given.path as number) : 0,
    fork: pair(given.fork),
    more: given.more === true,
    key: text(given.key) || `turn ${n}`, // earlier versions wrote none
    versions: pair(given.versions) ?? [1, 0],
    markdown: text(given.markdown),
    kept: typeof given.kept === 'object' ? (given.kept as Kept | null) : null,
  };
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

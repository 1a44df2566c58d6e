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
  kept?: Kept | null;
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
  turn?: number;
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
  /** Put cells below; absent where the host can't. */
  insertCells?: (sources: string[]) => void;
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
    turns: turns.map(turnOf),
    loading:
      typeof loading.what === 'string'
        ? { what: loading.what, share: typeof loading.share === 'number' ? loading.share : null }
        : null,
    failed: text(given.failed),
  };
}

function turnOf(data: unknown): PlayTurn {
  const given = fields(data);
  const fork =
    Array.isArray(given.fork) && given.fork.every(each => Number.isInteger(each)) ? given.fork : null;
  return {
    asked: text(given.asked),
    live: text(given.live),
    failed: text(given.failed),
    path: Number.isInteger(given.path) && (given.path as number) >= 0 ? (given.path as number) : 0,
    fork: fork?.length === 2 ? [fork[0], fork[1]] : null,
    kept: typeof given.kept === 'object' ? (given.kept as Kept | null) : null,
  };
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** What a playground's view and the kernel tell each other; its twin is magics/playground.py. */

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

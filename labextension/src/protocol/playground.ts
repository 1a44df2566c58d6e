/** The state of a playground, and its messages. Twin: magics/playground/playground.py. */

import { fields } from './checks.js';
import type { InspectionPayload } from './inspection.js';
import type { RecordPayload } from './record.js';

export interface Settings {
  temperature: number;
  top_p: number;
  top_k: number;
  min_p: number;
  repetition_penalty: number;
  max_tokens: number;
  seed: number;
}

export interface PlaygroundTurn {
  asked: string;
  live: string;
  failed: string;
  path: number;
  fork: [number, number] | null;
  /** What is being made is added to the answer. */
  more: boolean;
  kept?: RecordPayload | null;
  /** By which the answer is known, whichever version is looked at. */
  key: string;
  /** How many versions there are, and which is looked at. */
  versions: [number, number];
  /** The branches that the user marked. */
  stars: number[];
  /** The answer next to that of the compared model. */
  side?: InspectionPayload | null;
  /** The answer as safe Markdown. */
  markdown?: string;
}

export interface PlaygroundState {
  schema?: number;
  id: string;
  model: string | null;
  settings: Settings;
  /** Which of the view's changes these settings are. */
  set?: number;
  system: string;
  raw: boolean;
  /** The schema of the answers, as it was written; empty for none. */
  form: string;
  turns: PlaygroundTurn[];
  loading: { what: string; share: number | null } | null;
  failed: string;
  /** Why a model could not be loaded. */
  refused: string;
  adapter: string;
  strength: number;
  /** The model that answers too: "NAME" or "NAME:int4"; empty for none. */
  compared: string;
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
export interface PlaygroundMessage {
  type: 'playground';
  id: string;
  now?: PlaygroundState;
  models?: ModelRow[];
  memory?: { free: number; total: number };
  adapters?: string[];
  turn?: number;
  key?: string;
  markdown?: string;
  kept?: RecordPayload;
  side?: InspectionPayload;
  bundle?: Record<string, unknown>;
  cells?: string[];
  gone?: boolean;
  /** The kernel does not know this conversation: it is told of it when something is asked in it. */
  unknown?: boolean;
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
export function readPlayground(data: unknown): PlaygroundState {
  const raw = fields(data);
  const settings: Settings = { ...SETTINGS };
  for (const [name, value] of Object.entries(fields(raw.settings)))
    if (Object.hasOwn(SETTINGS, name) && typeof value === 'number' && Number.isFinite(value))
      settings[name as keyof Settings] = Math.min(Math.max(value, 0), 2 ** 32);
  const turns = Array.isArray(raw.turns) ? raw.turns.slice(0, MOST_TURNS) : [];
  const loading = fields(raw.loading);
  return {
    id: text(raw.id),
    model: typeof raw.model === 'string' ? raw.model : null,
    settings,
    set: typeof raw.set === 'number' ? raw.set : 0,
    system: text(raw.system),
    raw: raw.raw === true,
    form: text(raw.form),
    turns: turns.map((item, n) => turnOf(item, n)),
    loading:
      typeof loading.what === 'string'
        ? { what: loading.what, share: typeof loading.share === 'number' ? loading.share : null }
        : null,
    failed: text(raw.failed),
    refused: text(raw.refused),
    adapter: text(raw.adapter),
    strength: typeof raw.strength === 'number' && Number.isFinite(raw.strength) ? raw.strength : 1,
    compared: text(raw.compared),
    undo: raw.undo === true,
    context: pair(raw.context),
    others: raw.others,
  };
}

const pair = (value: unknown): [number, number] | null =>
  Array.isArray(value) && value.length === 2 && value.every(item => Number.isInteger(item))
    ? [value[0], value[1]]
    : null;

function turnOf(data: unknown, n: number): PlaygroundTurn {
  const raw = fields(data);
  return {
    asked: text(raw.asked),
    live: text(raw.live),
    failed: text(raw.failed),
    path: Number.isInteger(raw.path) && (raw.path as number) >= 0 ? (raw.path as number) : 0,
    fork: pair(raw.fork),
    more: raw.more === true,
    key: text(raw.key) || `turn ${n}`, // earlier versions wrote none
    versions: pair(raw.versions) ?? [1, 0],
    stars: Array.isArray(raw.stars) ? raw.stars.filter(Number.isInteger).slice(0, 100) : [],
    side: Object.keys(fields(raw.side)).length ? (raw.side as InspectionPayload) : null,
    markdown: text(raw.markdown),
    kept: typeof raw.kept === 'object' ? (raw.kept as RecordPayload | null) : null,
  };
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

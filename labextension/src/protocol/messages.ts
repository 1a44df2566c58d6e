/** The messages between the views and the kernel. Twins: magics/commands.py, magics/stream_sender.py. */

import type { InspectionRequest } from './inspection.js';
import type { CacheListing, PanelState } from './panel.js';
import type { PlaygroundMessage } from './playground.js';
import type { TuningCommand } from './tuning.js';

/** A message of a view to the kernel. */
export type ViewMessage =
  | { type: 'hello' }
  | { type: 'stream.stop'; id: string }
  | { type: 'stream.resend'; id: string; from: number; text: boolean }
  | { type: 'stream.record'; id: string }
  | {
      type: 'generation.branch';
      id: string;
      record: unknown;
      parent: number;
      at: number;
      token: number | string;
    }
  | { type: 'error.correction'; id: string; what: string }
  | { type: 'generation.extend'; id: string; record: unknown; path: number }
  | ({ id: string } & TuningCommand)
  | ({ id: string; record: unknown } & InspectionRequest)
  | { type: 'ghost.start'; id: string; [name: string]: unknown }
  | { type: 'ghost.stop'; id: string }
  | { type: `panel.${string}`; id: string; [name: string]: unknown }
  | { type: `playground.${string}`; id: string; [name: string]: unknown };

export type KernelAvailability = 'ready' | 'queued' | 'none';

export interface Channel {
  /** `queued`: what is sent waits until the running cell is done. `none`: there is no kernel. */
  readonly availability: KernelAvailability;
  send(order: ViewMessage): void;
  onAvailability(listener: () => void): () => void;
}

/** A suggestion at the cursor, so far. */
export interface GhostMessage {
  type: 'ghost';
  id: string;
  text: string;
  done: boolean;
  /** Each token with its surprisal in bits. */
  tokens?: [text: string, bits: number][];
  model?: string;
  /** Until the first word. */
  ms?: number;
}

/** A message of the kernel to the views. */
export type KernelMessage =
  | { type: 'here' }
  | { type: 'tokens'; id: string; from: number; most: number; data?: string[] }
  | { type: 'end' | 'gone' | 'known'; id: string }
  | { type: 'record'; id: string; bundle: Record<string, unknown> }
  | { type: 'status'; id: string; text: string }
  | { type: 'markdown'; id: string; text: string }
  | { type: 'correction'; id: string; cell: string }
  | { type: 'stale'; id: string; turn: number }
  | { type: 'failed'; id: string; what: string; hint: string }
  | GhostMessage
  | { type: 'panel'; id: string; state: PanelState }
  | { type: 'cache'; id: string; cache: CacheListing }
  | PlaygroundMessage;

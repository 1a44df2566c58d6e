/** What a view may ask of the place where it is shown. A view knows no host. */

import type { Act } from './inside.js';
import type { Rec } from './record.js';
import type { TuneOrder } from './tuning.js';

/** What a view tells the kernel; its twin is magics/control.py. */
export type Order =
  | { do: 'hello' }
  | { do: 'stop'; id: string }
  | { do: 'again'; id: string; from: number; text: boolean }
  | { do: 'record'; id: string }
  | { do: 'branch'; id: string; record: unknown; parent: number; at: number; token: number | string }
  | { do: 'more'; id: string; record: unknown; path: number }
  | ({ do: 'tune'; id: string } & TuneOrder)
  | { do: 'look'; id: string; record: unknown; act: Act }
  | { do: 'play'; [name: string]: unknown };

export type Reach = 'ready' | 'queued' | 'none';

export interface Channel {
  /** `queued`: what is sent waits until the running cell is done. `none`: there is no kernel. */
  readonly reach: Reach;
  send(order: Order): void;
  onReach(listener: () => void): () => void;
}

export interface Host {
  /** Show the answer as rendered Markdown in an element, also while it grows; false where the host can't. */
  markdown?: (element: HTMLElement, record: Rec) => boolean;
  /** Go on from another token; absent where there is no kernel. */
  readonly branch?: (parent: number, at: number, token: number | string) => void;
  /** Go on with a path that was cut off; absent where there is no kernel. */
  readonly more?: (path: number) => void;
  /** Look inside: show another view of this record; absent where there is no kernel. */
  readonly look?: (view: string, path: number) => void;
  stop?: () => void;
  /** Another branch is looked at now. */
  walked?: (path: number) => void;
}

/** How a view that grows stands. */
export interface Live {
  /** At most so many tokens. */
  most: number;
  status?: string;
}

/** Answers that are being made, as the kernel sends them: gaps are noticed, and asked for again. */

import type { Channel } from './host.js';
import type { PlayNews } from './play.js';
import { fromBase64, type Token, unpack, unplaned } from './record.js';

/** What the kernel tells; its twin is magics/live.py. */
export type News =
  | { do: 'here' }
  | { do: 'tokens'; id: string; from: number; most: number; data?: string[] }
  | { do: 'end' | 'gone' | 'known'; id: string }
  | { do: 'record'; id: string; bundle: Record<string, unknown> }
  | { do: 'status'; id: string; text: string }
  | { do: 'prose'; id: string; text: string }
  | { do: 'stale'; id: string; turn: number }
  | { do: 'failed'; id: string; what: string; hint: string }
  | PlayNews;

export interface Growing {
  tokens: Token[];
  most: number;
  /** From where on tokens are there: more than 0 where the page came too late. */
  from: number;
  ended: boolean;
  /** What there is as safe Markdown, where it is sent. */
  prose?: string;
}

export type Listener = (news: News, growing: Growing) => void;
/** Hosts hand buffers over as any of these, or not at all. */
export type Buffers = readonly (DataView | ArrayBuffer | ArrayBufferView)[] | undefined;

const KEPT = 50;

export class Answers {
  private readonly all = new Map<string, Growing>();
  private readonly listeners = new Map<string, Set<Listener>>();
  /** Hosts that lose buffers are asked for text from then on. */
  private asText = false;

  constructor(private readonly channel: Pick<Channel, 'send'>) {}

  growing(id: string): Growing {
    let found = this.all.get(id);
    if (!found) {
      found = { tokens: [], most: 0, from: 0, ended: false };
      this.all.set(id, found);
      for (const old of this.all.keys()) {
        if (this.all.size <= KEPT) break;
        if (!this.listeners.has(old)) this.all.delete(old);
      }
    }
    return found;
  }

  listen(id: string, listener: Listener): () => void {
    const set = this.listeners.get(id) ?? new Set();
    this.listeners.set(id, set.add(listener));
    return () => {
      set.delete(listener);
      if (!set.size) this.listeners.delete(id);
    };
  }

  /** A message of the kernel. */
  hear(news: News, buffers: Buffers): void {
    if (news.do === 'here' || news.do === 'play') return;
    const growing = this.growing(news.id);
    if (news.do === 'tokens' && !this.take(news, growing, buffers)) return;
    if (news.do === 'prose') growing.prose = news.text;
    if (news.do === 'end' || news.do === 'gone' || news.do === 'failed') growing.ended = true;
    for (const listener of this.listeners.get(news.id) ?? []) listener(news, growing);
  }

  private take(news: News & { do: 'tokens' }, growing: Growing, buffers: Buffers): boolean {
    const have = growing.from + growing.tokens.length;
    const first = news.from;
    growing.most = news.most;
    const [packed, ticks] = news.data?.map(fromBase64) ?? (buffers ?? []).map(bytesOf);
    if (!packed || !ticks) {
      this.asText = true;
      this.ask(news.id, growing);
      return false;
    }
    if (first > have) {
      // Something was lost. A page that came in the middle shows what comes, and asks for the rest.
      this.ask(news.id, growing);
      if (growing.tokens.length) return false;
      growing.from = first;
    }
    const { tokens } = unpack(packed, unplaned(ticks, ticks.length >> 2, 4));
    if (first < growing.from) {
      growing.tokens = [];
      growing.from = first;
    }
    const at = first - growing.from;
    const before = growing.tokens[at - 1]?.time ?? 0;
    growing.tokens.length = Math.min(growing.tokens.length, at);
    for (const token of tokens) {
      token.time += before;
      growing.tokens.push(token);
    }
    return true;
  }

  private ask(id: string, growing: Growing): void {
    const from = growing.from === 0 ? growing.tokens.length : 0;
    this.channel.send({ do: 'again', id, from, text: this.asText });
  }
}

export function bytesOf(buffer: DataView | ArrayBuffer | ArrayBufferView): Uint8Array {
  return buffer instanceof ArrayBuffer
    ? new Uint8Array(buffer)
    : new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** Collect the tokens of running answers; request again what was lost. Twin: magics/stream_sender.py. */

import { fromBase64 } from './bytes.js';
import { fromBytePlanes, unpack } from './columns.js';
import type { Channel, KernelMessage } from './messages.js';
import type { Token } from './token.js';

export interface StreamState {
  tokens: Token[];
  most: number;
  /** From where on tokens are there: more than 0 where the page came too late. */
  from: number;
  ended: boolean;
  /** What there is as safe Markdown, where it is sent. */
  prose?: string;
}

export type Listener = (message: KernelMessage, growing: StreamState) => void;
/** Hosts hand buffers over as any of these, or not at all. */
export type Buffers = readonly (DataView | ArrayBuffer | ArrayBufferView)[] | undefined;

const MAX_STREAMS = 50;

export class StreamStore {
  private readonly streams = new Map<string, StreamState>();
  private readonly listeners = new Map<string, Set<Listener>>();
  /** Hosts that lose buffers are asked for text from then on. */
  private asText = false;

  constructor(private readonly channel: Pick<Channel, 'send'>) {}

  stream(id: string): StreamState {
    let state = this.streams.get(id);
    if (!state) {
      state = { tokens: [], most: 0, from: 0, ended: false };
      this.streams.set(id, state);
      for (const old of this.streams.keys()) {
        if (this.streams.size <= MAX_STREAMS) break;
        if (!this.listeners.has(old)) this.streams.delete(old);
      }
    }
    return state;
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
  onMessage(message: KernelMessage, buffers: Buffers): void {
    if (message.type === 'here' || message.type === 'playground') return;
    const growing = this.stream(message.id);
    if (message.type === 'tokens' && !this.applyTokens(message, growing, buffers)) return;
    if (message.type === 'markdown') growing.prose = message.text;
    if (message.type === 'end' || message.type === 'gone' || message.type === 'failed') growing.ended = true;
    for (const listener of this.listeners.get(message.id) ?? []) listener(message, growing);
  }

  private applyTokens(
    message: KernelMessage & { type: 'tokens' },
    growing: StreamState,
    buffers: Buffers,
  ): boolean {
    const have = growing.from + growing.tokens.length;
    const first = message.from;
    growing.most = message.most;
    const [packed, ticks] = message.data?.map(fromBase64) ?? (buffers ?? []).map(bytesOf);
    if (!packed || !ticks) {
      this.asText = true;
      this.requestMissing(message.id, growing);
      return false;
    }
    if (first > have) {
      // Something was lost. A page that came in the middle shows what comes, and asks for the rest.
      this.requestMissing(message.id, growing);
      if (growing.tokens.length) return false;
      growing.from = first;
    }
    const { tokens } = unpack(packed, fromBytePlanes(ticks, ticks.length >> 2, 4));
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

  private requestMissing(id: string, growing: StreamState): void {
    const from = growing.from === 0 ? growing.tokens.length : 0;
    this.channel.send({ type: 'stream.resend', id, from, text: this.asText });
  }
}

export function bytesOf(buffer: DataView | ArrayBuffer | ArrayBufferView): Uint8Array {
  return buffer instanceof ArrayBuffer
    ? new Uint8Array(buffer)
    : new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

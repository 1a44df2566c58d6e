/** What a view asks the kernel about its record: one thing at a time, which can be stopped. */

import type { InspectionRequest } from '../protocol/inspection.js';
import type { KernelConnection } from './kernelConnection.js';
import { startRequest, waitingText } from './request.js';

export interface InspectionListener {
  /** What the kernel is doing changed. */
  busy: () => void;
  onBundle: (bundle: Record<string, unknown>) => void;
  failed: (what: string, hint: string) => void;
}

export class InspectionClient {
  /** What the kernel is doing for this view, while it does. */
  busy: string | undefined;
  private job = '';

  constructor(private readonly connection: KernelConnection) {}

  ask(record: unknown, request: InspectionRequest, listener: InspectionListener): void {
    if (this.busy) return;
    this.busy = waitingText(this.connection) ?? 'asking the kernel …';
    this.job = startRequest(this.connection, id => ({ ...request, id, record }), {
      heard: (message, _, done) => {
        if (message.type === 'status') {
          this.busy = message.text;
          return listener.busy();
        }
        if (message.type !== 'failed' && message.type !== 'record') return;
        done();
        this.busy = undefined;
        if (message.type === 'failed') listener.failed(message.what, message.hint ?? '');
        else listener.onBundle(message.bundle);
      },
      silent: (what, hint) => {
        this.busy = undefined;
        listener.failed(what, hint);
      },
    });
    listener.busy();
  }

  stop(): void {
    this.connection.send({ type: 'stream.stop', id: this.job });
  }
}

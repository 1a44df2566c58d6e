/** The channel of one notebook to its kernel: two comms with fixed ids (magics/channel.py). */

import type { ISessionContext } from '@jupyterlab/apputils';
import type { KernelMessage as JupyterMessage, Kernel } from '@jupyterlab/services';
import type { Channel, KernelAvailability, KernelMessage, ViewMessage } from '../protocol/messages.js';
import type { PlaygroundMessage } from '../protocol/playground.js';
import { StreamStore } from '../protocol/streams.js';

const TARGET = 'llm-magics';
const GONE = new Set(['dead', 'restarting', 'autorestarting', 'terminating', 'unknown']);

const connections = new WeakMap<object, KernelConnection>();

/** The connection of a notebook's session: two views of a notebook share it. */
export function connectionOf({ sessionContext }: { sessionContext: ISessionContext }): KernelConnection {
  let connection = connections.get(sessionContext);
  if (!connection) {
    connection = new KernelConnection(sessionContext);
    connections.set(sessionContext, connection);
  }
  return connection;
}

export class KernelConnection implements Channel {
  readonly answers = new StreamStore(this);
  private kernel: Kernel.IKernelConnection | undefined;
  private control: Kernel.IComm | undefined;
  private subshell = false;
  private ready: Promise<void> = Promise.resolve();
  private readonly listeners = new Set<() => void>();
  private readonly loads = new Set<() => void>();
  private readonly plays = new Set<(message: PlaygroundMessage) => void>();

  constructor(private readonly context: ISessionContext) {
    context.kernelChanged.connect(() => this.attach());
    context.statusChanged.connect(() => {
      this.attach();
      for (const listener of [...this.listeners]) listener();
    });
    this.attach();
  }

  /** The kernel talks to another notebook: JupyterLab lets the first of its notebooks alone have comms. */
  get elsewhere(): boolean {
    const { kernel } = this.context.session ?? {};
    return !!kernel && !kernel.isDisposed && !kernel.handleComms;
  }

  get availability(): KernelAvailability {
    const { kernel } = this;
    if (!kernel || kernel.isDisposed || GONE.has(kernel.status)) return 'none';
    return kernel.status === 'busy' && !this.subshell ? 'queued' : 'ready';
  }

  onAvailability(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Call `listener` whenever the kernel loads the extension: a restarted kernel knows nothing of before. */
  onLoad(listener: () => void): () => void {
    this.loads.add(listener);
    return () => this.loads.delete(listener);
  }

  onPlay(listener: (message: PlaygroundMessage) => void): () => void {
    this.plays.add(listener);
    return () => this.plays.delete(listener);
  }

  send(order: ViewMessage): void {
    this.attach();
    // In the order they were given, and none before the subshell stands: it would wait for the running cell.
    this.ready = this.ready.then(() => {
      if (this.control && !this.control.isDisposed) this.control.send(order as never);
    });
  }

  /** Stop an answer. Where orders wait for the cell, the cell is interrupted instead. */
  stop(id: string): void {
    if (this.subshell) this.send({ type: 'stream.stop', id });
    else void this.kernel?.interrupt();
  }

  /** Interrupt the running cell. */
  interrupt(): void {
    void this.kernel?.interrupt();
  }

  private attach(): void {
    const kernel = this.context.session?.kernel ?? undefined;
    if (!kernel || kernel.isDisposed || GONE.has(kernel.status) || !kernel.handleComms) {
      if (kernel !== this.kernel) this.control = undefined;
      this.kernel = kernel;
      return;
    }
    if (kernel === this.kernel && this.control && !this.control.isDisposed) return;
    this.kernel = kernel;
    this.subshell = false;
    const stream = this.comm(kernel, `${TARGET}-stream`);
    stream.onMsg = message => this.hear(message);
    const control = this.comm(kernel, `${TARGET}-control`);
    this.control = control;
    this.ready = this.subshellOf(kernel, control);
  }

  private comm(kernel: Kernel.IKernelConnection, id: string): Kernel.IComm {
    return kernel.createComm(TARGET, id);
  }

  private async subshellOf(kernel: Kernel.IKernelConnection, control: Kernel.IComm): Promise<void> {
    // JupyterLab before 4.5 has neither.
    const { subshellStarted } = control as { subshellStarted?: Promise<void> };
    if (!subshellStarted) return;
    await kernel.info;
    if (!kernel.supportsSubshells) return;
    await Promise.race([subshellStarted, new Promise(done => setTimeout(done, 3000))]);
    this.subshell = !!(control as { subshellId?: string | null }).subshellId;
  }

  private hear(message: JupyterMessage.ICommMsgMsg): void {
    const event = message.content.data as unknown as KernelMessage;
    if (event?.type === 'here') {
      this.send({ type: 'hello' });
      // A kernel that begins anew knows no playground.
      for (const listener of this.plays) listener({ type: 'playground', id: '', gone: true });
      for (const listener of [...this.loads]) listener();
    }
    if (event?.type === 'playground') for (const listener of this.plays) listener(event);
    else if (event && 'id' in event) this.answers.onMessage(event, message.buffers as DataView[] | undefined);
  }
}

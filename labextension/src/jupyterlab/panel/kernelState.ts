/** What the kernel of the current notebook says of its models. */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { KernelMessage, ViewMessage } from '../../protocol/messages.js';
import type { CacheListing, PanelState } from '../../protocol/panel.js';
import { connectionOf, type KernelConnection } from '../kernelConnection.js';

const ID = 'panel';
const PATIENCE_MS = 3000;

interface Known {
  state?: PanelState;
  cache?: CacheListing;
}

export class KernelState {
  failed: { what: string; hint: string } | undefined;
  private panel: NotebookPanel | null = null;
  private connection: KernelConnection | undefined;
  private readonly known = new WeakMap<KernelConnection, Known>();
  private readonly watched = new WeakSet<KernelConnection>();
  private silent = false;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    tracker: INotebookTracker,
    private readonly changed: () => void,
  ) {
    tracker.currentChanged.connect(() => this.follow(tracker.currentWidget));
    this.follow(tracker.currentWidget);
  }

  get notebook(): NotebookPanel | null {
    return this.panel?.isDisposed ? null : this.panel;
  }

  get kernel(): 'none' | 'silent' | 'ready' {
    if (!this.notebook || !this.connection || this.connection.availability === 'none') return 'none';
    return this.state ? 'ready' : this.silent ? 'silent' : 'ready';
  }

  get state(): PanelState | undefined {
    const { connection } = this;
    return connection && connection.availability !== 'none' ? this.known.get(connection)?.state : undefined;
  }

  get cache(): CacheListing | undefined {
    const { connection } = this;
    return connection && connection.availability !== 'none' ? this.known.get(connection)?.cache : undefined;
  }

  /** Ask the kernel for something; it answers with a new state, a cache or an error. */
  send(action: string, fields: Record<string, unknown> = {}): void {
    this.connection?.send({ ...fields, type: `panel.${action}`, id: ID } as ViewMessage);
  }

  interrupt(): void {
    this.connection?.interrupt();
  }

  private follow(panel: NotebookPanel | null): void {
    this.panel = panel;
    this.connection = panel ? connectionOf(panel) : undefined;
    this.failed = undefined;
    const { connection } = this;
    if (connection && !this.watched.has(connection)) {
      this.watched.add(connection);
      this.known.set(connection, {});
      connection.answers.listen(ID, message => this.hear(connection, message));
      // A kernel that began anew knows nothing of us.
      connection.onLoad(() => {
        this.known.set(connection, {});
        this.watch(connection);
      });
      connection.onAvailability(() => connection === this.connection && this.changed());
    }
    if (connection) this.watch(connection);
    this.changed();
  }

  private watch(connection: KernelConnection): void {
    this.silent = false;
    clearTimeout(this.timer);
    connection.send({ type: 'panel.watch', id: ID });
    connection.send({ type: 'panel.cache', id: ID });
    this.timer = setTimeout(() => {
      this.silent = !this.state;
      this.changed();
    }, PATIENCE_MS);
  }

  private hear(connection: KernelConnection, message: KernelMessage): void {
    const known = this.known.get(connection)!;
    const model = known.state?.model?.name;
    if (message.type === 'panel') known.state = message.state;
    if (message.type === 'cache') known.cache = message.cache;
    if (message.type === 'failed') this.failed = { what: message.what, hint: message.hint };
    // A model that was loaded may have been converted for it.
    if (message.type === 'panel' && known.cache && known.state?.model?.name !== model)
      connection.send({ type: 'panel.cache', id: ID });
    if (connection === this.connection) this.changed();
  }
}

/** Ghost text from the model of the kernel, for the inline completer of JupyterLab and Notebook 7.
 *
 * JupyterLab does not tell a provider to stop: the provider watches the text, the cursor and the focus. */

import type {
  CompletionHandler,
  IInlineCompletionContext,
  IInlineCompletionItem,
  IInlineCompletionList,
  IInlineCompletionProvider,
} from '@jupyterlab/completer';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { GhostMessage } from '../../protocol/messages.js';
import type { KernelConnection } from '../kernelConnection.js';
import { cursorText, type SourceCell } from './context.js';
import { type GhostToken, shade } from './shade.js';

export const GHOST_ID = 'open-llm-magics:ghost';
const AUTOMATIC = 1; // InlineCompletionTriggerKind.Automatic
const PATIENCE_MS = 30_000; // the first request of a session loads the model

interface Signal {
  connect(slot: () => void): void;
  disconnect(slot: () => void): void;
}
interface Editor {
  host: HTMLElement;
  model: { sharedModel: { changed: Signal }; selections: { changed: Signal } };
}

interface Job {
  id: string;
  connection: KernelConnection;
  editor: Editor;
  messages: GhostMessage[];
  failed: string;
  wake: () => void;
  over: boolean;
  off: () => void;
}

function cellsAbove({ content }: NotebookPanel): SourceCell[] {
  return content.widgets
    .slice(0, content.activeCellIndex)
    .map(({ model }) => ({ type: model.type, source: model.sharedModel.getSource() }));
}

interface GhostStatus {
  model: string;
  ms: number;
}

export class GhostProvider implements IInlineCompletionProvider {
  readonly identifier = GHOST_ID;
  readonly schema = {
    properties: {
      maxTokens: {
        title: 'Tokens',
        description: 'The longest suggestion, in tokens.',
        type: 'number' as const,
        minimum: 1,
        maximum: 200,
      },
      model: {
        title: 'Model',
        description: 'The model of suggestions, by its name. Empty: the model in use.',
        type: 'string' as const,
      },
    },
    default: {
      enabled: false,
      debouncerDelay: 200,
      timeout: PATIENCE_MS,
      autoFillInMiddle: false,
      maxTokens: 24,
      model: '',
    },
  };
  private maxTokens = 24;
  private model = '';
  private job: Job | undefined;
  private status: GhostStatus | undefined;

  constructor(private readonly connectionOf: (panel: NotebookPanel) => KernelConnection) {}

  /** The hover box of JupyterLab asks for the name whenever it is drawn. */
  get name(): string {
    const { status } = this;
    return status ? `${status.model} · ${status.ms} ms` : 'Language model of the notebook';
  }

  configure(settings: Record<string, unknown>): void {
    const { maxTokens, model } = settings ?? {};
    this.maxTokens = typeof maxTokens === 'number' ? maxTokens : this.schema.default.maxTokens;
    this.model = typeof model === 'string' ? model.trim() : '';
  }

  async fetch(
    request: CompletionHandler.IRequest,
    context: IInlineCompletionContext,
  ): Promise<IInlineCompletionList> {
    this.stop();
    const panel = context.widget as NotebookPanel;
    const cell = panel.content?.activeCell;
    const editor = cell?.editor as unknown as Editor | null | undefined;
    if (!cell || !editor || !panel.sessionContext) return { items: [] };
    const connection = this.connectionOf(panel);
    const automatic = (context.triggerKind as number) === AUTOMATIC;
    if (connection.availability === 'none' || (automatic && connection.availability !== 'ready'))
      return { items: [] };
    const text = cursorText(cell.model.type, request.text, request.offset, cellsAbove(panel));
    if (!text) return { items: [] };
    const { maxTokens, model } = this;
    const job = this.start(connection, editor, { ...text, automatic, max_tokens: maxTokens, model });
    const first = await this.next(job);
    if (job.failed && !automatic) return { items: [{ insertText: '', error: { message: job.failed } }] };
    if (!first?.text) {
      this.stop(job);
      return { items: [] };
    }
    this.paint(job, first);
    return { items: [{ insertText: first.text, isIncomplete: !first.done, token: job.id }] };
  }

  /** Have the kernel read the cell that was entered, so that the first suggestion comes sooner. */
  warm(panel: NotebookPanel): void {
    const cell = panel.content.activeCell;
    const connection = this.connectionOf(panel);
    if (!cell || connection.availability !== 'ready' || (this.job && !this.job.over)) return;
    const source = cell.model.sharedModel.getSource();
    const text = cursorText(cell.model.type, source, [...source].length, cellsAbove(panel));
    const id = Math.random().toString(36).slice(2);
    if (text)
      connection.send({ ...text, type: 'ghost.start', id, model: this.model, warm: true, automatic: true });
  }

  async *stream(token: string): AsyncGenerator<{ response: IInlineCompletionItem }> {
    const { job } = this;
    if (job?.id !== token) return;
    for (;;) {
      const message = await this.next(job);
      if (!message) return;
      yield { response: { insertText: message.text, isIncomplete: !message.done, token } };
      this.paint(job, message);
      if (message.done) return;
    }
  }

  /** End the request that runs. */
  stop(job = this.job): void {
    if (!job || job.over) return;
    this.finish(job);
    job.connection.send({ type: 'ghost.stop', id: job.id });
  }

  private finish(job: Job): void {
    job.over = true;
    job.off();
    job.wake();
  }

  private start(connection: KernelConnection, editor: Editor, order: Record<string, unknown>): Job {
    const id = Math.random().toString(36).slice(2);
    const { sharedModel, selections } = editor.model;
    const changed = () => this.stop(job);
    const timer = setTimeout(changed, PATIENCE_MS);
    const forget = connection.answers.listen(id, message => {
      if (message.type === 'ghost') job.messages.push(message);
      else if (message.type === 'failed') job.failed = `${message.what} ${message.hint}`.trim();
      else if (message.type === 'gone') job.failed = 'Run %load_ext llm_magics in a cell first.';
      else return;
      if (job.failed || (message.type === 'ghost' && message.done)) clearTimeout(timer);
      job.wake();
    });
    const job: Job = { id, connection, editor, messages: [], failed: '', over: false, wake() {}, off() {} };
    job.off = () => {
      clearTimeout(timer);
      forget();
      sharedModel.changed.disconnect(changed);
      selections.changed.disconnect(changed);
      editor.host.removeEventListener('focusout', changed);
      editor.host.removeEventListener('keydown', leave, true);
    };
    const leave = (event: KeyboardEvent) => event.key === 'Escape' && changed();
    sharedModel.changed.connect(changed);
    selections.changed.connect(changed);
    editor.host.addEventListener('focusout', changed);
    editor.host.addEventListener('keydown', leave, true);
    this.job = job;
    connection.send({ ...order, type: 'ghost.start', id });
    return job;
  }

  /** Wait for the newest message; undefined at the end. */
  private async next(job: Job): Promise<GhostMessage | undefined> {
    while (!job.messages.length) {
      if (job.over || job.failed) return undefined;
      await new Promise<void>(wake => {
        job.wake = wake;
      });
    }
    if (job.over) return undefined;
    const message = job.messages.splice(0).at(-1)!;
    if (message.model) {
      this.status = { model: message.model, ms: message.ms ?? 0 };
    }
    if (message.done) this.finish(job);
    return message;
  }

  /** Shade the suggestion once the editor has drawn it. */
  private paint(job: Job, message: GhostMessage): void {
    const draw = () => shade(job.editor.host, GHOST_ID, (message.tokens ?? []) as GhostToken[], message.text);
    requestAnimationFrame(() => requestAnimationFrame(draw));
  }
}

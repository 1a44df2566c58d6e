/** A kept record of the inside → its view. */

import { type InspectionPayload, type InspectionRecord, readInspection } from '../protocol/inspection.js';
import { h, icon } from '../ui/dom.js';
import { banner, shell } from '../ui/shell.js';
import { AttentionView } from './attention/attentionView.js';
import { AttributionView } from './attributionView.js';
import { ChoicesView } from './choicesView.js';
import { CompareView } from './compare/compareView.js';
import { DecisionsView } from './decisionsView.js';
import { EvaluationView } from './evaluation/evaluationView.js';
import { FixView } from './fixView.js';
import type { CreateView, InspectionHost, InspectionView } from './inspectionView.js';
import { LensView } from './lens/lensView.js';
import { MemorizationView } from './memorizationView.js';
import { CardView } from './models/cardView.js';
import { ModelsView } from './models/modelsView.js';
import { ProbeView } from './probeView.js';
import { ReplayView } from './replay/replayView.js';
import { RowsView } from './rows/rowsView.js';
import { SideBySideView } from './sideBySide/sideBySideView.js';
import { TokenizationView } from './tokenizationView.js';
import { TrackView } from './trackView.js';
import { TreeView } from './tree/treeView.js';
import { VerificationView } from './verification/verificationView.js';
import { WalkthroughView } from './walkthrough/walkthroughView.js';

const VIEWS: Record<string, CreateView> = {
  attention: (record, element, host) => new AttentionView(record, element, host),
  card: (record, element, host) => new CardView(record, element, host),
  causes: (record, element, host) => new AttributionView(record, element, host),
  decisions: (record, element) => new DecisionsView(record, element),
  evaluation: (record, element) => new EvaluationView(record, element),
  fix: (record, element, host) => new FixView(record, element, host),
  memory: (record, element) => new MemorizationView(record, element),
  choices: (record, element, host) => new ChoicesView(record, element, host),
  compare: (record, element) => new CompareView(record, element),
  lens: (record, element, host) => new LensView(record, element, host),
  models: (record, element, host) => new ModelsView(record, element, host),
  probe: (record, element, host) => new ProbeView(record, element, host),
  replay: (record, element, host) => new ReplayView(record, element, host),
  rows: (record, element, host) => new RowsView(record, element, host),
  side_by_side: (record, element, host) => new SideBySideView(record, element, host),
  tokenizers: (record, element, host) => new TokenizationView(record, element, host),
  tree: (record, element, host) => new TreeView(record, element, host),
  verify: (record, element) => new VerificationView(record, element),
  walk: (record, element, host) => new WalkthroughView(record, element, host),
  watch: (record, element) => new TrackView(record, element),
};

/** Keeps the view of an element as its record is. */
export class InspectionMount {
  private view: InspectionView | undefined;
  private record: InspectionRecord | undefined;
  private data = '';
  private host: InspectionHost = {};
  private generation = 0;

  constructor(
    private readonly element: HTMLElement,
    private readonly fallback: () => string,
  ) {}

  async show(payload: InspectionPayload, host: InspectionHost): Promise<void> {
    if (this.view && this.record && payload.data === this.data) {
      // A kernel's status changes often, and means something only now and then.
      const { busy, ask } = this.host;
      this.host = host;
      if (busy !== host.busy || !ask !== !host.ask) this.view.update(this.record, host);
      return;
    }
    const turn = ++this.generation;
    try {
      const record = await readInspection(payload);
      if (turn !== this.generation) return;
      const make = Object.hasOwn(VIEWS, record.view) ? VIEWS[record.view] : undefined;
      if (!make) throw new Error(`This version has no view called ${record.view.slice(0, 40)}.`);
      const { view } = this;
      const same = this.record?.view === record.view;
      this.record = record;
      this.host = host;
      this.data = payload.data ?? '';
      if (view && same) return view.update(record, host);
      this.clear();
      this.view = make(record, this.element, host);
    } catch (error) {
      if (turn === this.generation) this.fail(error instanceof Error ? error.message : String(error));
    }
  }

  dispose(): void {
    this.generation++;
    this.clear();
  }

  private clear(): void {
    this.view?.dispose();
    this.view = undefined;
    this.element.replaceChildren();
  }

  /** A renderer that throws leaves its output blank: what is wrong, then the text. */
  private fail(what: string): void {
    this.clear();
    shell(this.element, '').root.append(banner(what, 'Run the cell again.', icon('error')));
    this.element.append(h('pre', {}, this.fallback()));
  }
}

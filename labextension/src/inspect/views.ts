/** The views of inspections, by the name in their record. */

import { AttentionView } from './attention/attentionView.js';
import { AttributionView } from './attributionView.js';
import { ChoicesView } from './choicesView.js';
import { CompareView } from './compare/compareView.js';
import { DecisionsView } from './decisionsView.js';
import { EvaluationView } from './evaluation/evaluationView.js';
import { FixView } from './fixView.js';
import type { CreateView } from './inspectionView.js';
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

export const VIEWS: Record<string, CreateView> = {
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

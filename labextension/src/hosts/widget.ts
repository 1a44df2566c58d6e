/** The strip for anywidget: where there is no plugin of ours (VS Code, Colab). */

import { emptyRecord, type Kept, readKept } from '../record.js';
import { Strip } from '../views/strip.js';

interface Model {
  get(name: string): unknown;
}

function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  const kept = (model.get('record') ?? {}) as Kept;
  const strip = new Strip(emptyRecord(kept), el, {}, undefined, { mode: 'surprisal' });
  readKept(kept).then(
    record => strip.update(record),
    error => el.append(String(error)),
  );
  return () => strip.dispose();
}

export default { render };

/** Our views for anywidget: where there is no plugin of ours (VS Code, Colab, a JupyterLab without it). */

import type { KeptLook } from '../inside.js';
import { Answers, type Buffers, type News } from '../live.js';
import { type PlayHost, type PlayNews, readPlay } from '../play.js';
import { emptyRecord, type Kept, readKept } from '../record.js';
import { Opened } from '../views/inside/open.js';
import { Playground } from '../views/playground.js';
import { Strip } from '../views/strip.js';

interface Model {
  get(name: string): unknown;
  send(content: unknown): void;
  on(name: 'msg:custom', listener: (content: unknown, buffers: Buffers) => void): void;
  off(name: 'msg:custom', listener: (content: unknown, buffers: Buffers) => void): void;
}

function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  if (model.get('kind') === 'playground') return playground(model, el);
  if (model.get('kind') === 'inside') {
    const opened = new Opened(el, () => '');
    void opened.show((model.get('payload') ?? {}) as KeptLook, {});
    return () => opened.dispose();
  }
  const kept = (model.get('payload') ?? {}) as Kept;
  const strip = new Strip(emptyRecord(kept), el, {}, undefined, { mode: 'surprisal' });
  readKept(kept).then(
    record => strip.update(record),
    error => el.append(String(error)),
  );
  return () => strip.dispose();
}

function playground(model: Model, el: HTMLElement): () => void {
  const plays = new Set<(news: PlayNews) => void>();
  const answers = new Answers({ send: order => model.send(order) });
  const hear = (content: unknown, buffers: Buffers) => {
    const news = content as News;
    if (news?.do === 'play') for (const listener of plays) listener(news);
    else if (news && 'id' in news) answers.hear(news, buffers);
  };
  model.on('msg:custom', hear);
  const host: PlayHost = {
    reach: 'ready', // a widget does not know: what is sent waits for a busy kernel
    answers,
    send: order => model.send(order),
    onReach: () => () => {},
    onPlay: listener => {
      plays.add(listener);
      return () => plays.delete(listener);
    },
  };
  const view = new Playground(readPlay(model.get('payload')), el, host);
  return () => {
    model.off('msg:custom', hear);
    view.dispose();
  };
}

export default { render };

/** The models in the cache: size, license, last use; each but the one in use can be deleted, after a question. */

import type { CachedModel } from '../protocol/panel.js';
import { h, icon } from '../ui/dom.js';
import { bytes, visible } from '../ui/format.js';
import type { PanelContent, PanelHost } from './content.js';

const HOUR = 3600;

/** "3 h ago", in the largest unit that fits. */
export function ago(seconds: number): string {
  if (seconds < 90) return 'just now';
  if (seconds < 1.5 * HOUR) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 36 * HOUR) return `${Math.round(seconds / HOUR)} h ago`;
  return `${Math.round(seconds / 24 / HOUR)} days ago`;
}

export class CacheList {
  /** The key of the model that is asked about. */
  asking = '';

  constructor(private readonly host: PanelHost) {}

  draw(content: PanelContent, again: () => void): (Node | string)[] {
    const t = this.host.translate;
    const { cache, state, place } = content;
    if (!cache)
      return [
        h(
          'p',
          { class: 'fg2' },
          t(
            'The list cannot be read: this server has no extension of llm_magics. Open a notebook with a kernel.',
          ),
        ),
      ];
    const values = [visible(cache.host), bytes(cache.free)];
    const where =
      place === 'kernel'
        ? t("Cache of the kernel's machine (%1), %2 free", ...values)
        : t("Cache of the server's machine (%1), %2 free", ...values);
    const loaded = (model: CachedModel) => state?.model?.key === model.key;
    return [
      h('p', { class: 'fg2' }, where),
      cache.models.length
        ? h('ul', {}, ...cache.models.map(model => this.item(model, loaded(model), again)))
        : h('p', {}, t('Nothing yet. %1 lists what there is.', '%llm models')),
      cache.downloads ? h('p', { class: 'fg2' }, t('Downloaded files: %1', bytes(cache.downloads))) : '',
    ];
  }

  private item(model: CachedModel, loaded: boolean, again: () => void): HTMLElement {
    const t = this.host.translate;
    const ask = (key: string) => {
      this.asking = key;
      again();
    };
    const title = visible(model.title);
    const bin = loaded
      ? null
      : h(
          'button',
          {
            class: 'button plain',
            type: 'button',
            'data-key': `bin ${model.key}`,
            'aria-label': t('Delete %1, %2', title, visible(model.precision)),
            onclick: () => ask(model.key),
          },
          t('Delete'),
        );
    const used = loaded ? t('in use') : ago(Date.now() / 1000 - model.used);
    const facts = [visible(model.precision), used, visible(model.license)].join(' · ');
    const row = h(
      'li',
      {
        tabindex: 0,
        'data-key': `row ${model.key}`,
        onkeydown: (event: KeyboardEvent) => event.key === 'Delete' && !loaded && ask(model.key),
      },
      h('div', { class: 'head' }, h('b', {}, title), h('span', { class: 'acts' }, bytes(model.bytes), bin)),
      h('p', { class: 'fg2' }, facts),
      model.damaged
        ? h('p', { class: 'bad' }, icon('error'), t('damaged: converted again when it is used next'))
        : null,
    );
    if (this.asking === model.key) row.append(this.question(model, ask));
    return row;
  }

  private question(model: CachedModel, ask: (key: string) => void): HTMLElement {
    const t = this.host.translate;
    const cost = model.fetch ? t('To have it again is a download of %1.', bytes(model.fetch)) : '';
    const close = () => ask('');
    const remove = h(
      'button',
      {
        class: 'button danger',
        type: 'button',
        'data-key': `delete ${model.key}`,
        onclick: () => {
          this.asking = '';
          this.host.remove(model.key);
        },
      },
      t('Delete'),
    );
    const box = h(
      'div',
      {
        class: 'ask',
        role: 'alertdialog',
        'aria-label': t('Delete %1?', visible(model.title)),
        onkeydown: (event: KeyboardEvent) => {
          if (event.key !== 'Escape') return;
          event.stopPropagation();
          close();
        },
      },
      h('p', {}, `${t('Delete %1, %2?', visible(model.title), bytes(model.bytes))} ${cost}`),
      h(
        'div',
        { class: 'buttons' },
        remove,
        h('button', { class: 'button', type: 'button', onclick: close }, t('Keep')),
      ),
    );
    requestAnimationFrame(() => remove.focus());
    return box;
  }
}

/** The panel of models: what is in use, the adapters, what runs, the cache, ghost text. */

import { h } from '../ui/dom.js';
import { bytes } from '../ui/format.js';
import { shell } from '../ui/shell.js';
import { adapterList } from './adapterList.js';
import { CacheList } from './cacheList.js';
import type { PanelContent, PanelHost } from './content.js';
import { inUse } from './inUse.js';
import { jobList } from './jobList.js';
import { PANEL_STYLE } from './panelView.css.js';

interface Section {
  element: HTMLDetailsElement;
  count: HTMLElement;
  body: HTMLElement;
  shown: string;
}

const TITLES = ['In use', 'Adapters', 'Running', 'In the cache', 'Ghost text'] as const;
type Title = (typeof TITLES)[number];

export class PanelView {
  readonly root: HTMLElement;
  private readonly sections = new Map<Title, Section>();
  private readonly alert = h('div', { role: 'alert' });
  private readonly cache: CacheList;
  private readonly off: () => void;

  constructor(
    element: HTMLElement,
    private readonly host: PanelHost,
  ) {
    const outer = shell(element, PANEL_STYLE);
    this.root = outer.root;
    this.root.classList.add('panel');
    // It stands in no cell: the shortcuts of the host, such as that of the palette, work in it.
    (this.root.getRootNode() as ShadowRoot).host?.removeAttribute('data-lm-suppress-shortcuts');
    this.root.setAttribute('role', 'region');
    this.root.setAttribute('aria-label', host.translate('Language models'));
    this.off = () => outer.dispose();
    const refresh = h(
      'button',
      { class: 'button plain', type: 'button', 'data-key': 'refresh', onclick: () => host.refresh() },
      host.translate('Refresh'),
    );
    this.root.append(
      h('div', { class: 'top' }, h('h2', {}, host.translate('Language models')), refresh),
      this.alert,
    );
    for (const title of TITLES) this.section(title);
    this.cache = new CacheList(host);
  }

  update(content: PanelContent): void {
    const { state, cache, failed, kernel } = content;
    const t = this.host.translate;
    this.show(
      'In use',
      [content.notebook, kernel, state?.model, state?.server, state?.free, cache?.models],
      content.notebook,
      () => inUse(content, this.host),
    );
    this.show(
      'Adapters',
      [state?.adapters, state?.adapter, kernel],
      state ? String(state.adapters.length) : '',
      () => adapterList(state, this.host),
    );
    this.show('Running', state?.jobs, state ? String(state.jobs.length) : '', () =>
      jobList(state?.jobs ?? [], this.host),
    );
    const models = cache?.models ?? [];
    const total = models.reduce((sum, model) => sum + model.bytes, 0);
    this.show(
      'In the cache',
      [cache, state?.model?.key, content.place, this.cache.asking],
      cache ? `${models.length} · ${bytes(total)}` : '',
      () => this.cache.draw(content, () => this.update(content)),
    );
    this.show('Ghost text', [content.ghost, state?.ghost], '', () => this.ghost(content));
    const text = failed ? `${failed.what}\n${failed.hint}` : '';
    if (this.alert.dataset.text !== text) {
      this.alert.dataset.text = text;
      const close = h(
        'button',
        { class: 'button plain', type: 'button', onclick: () => this.host.dismiss() },
        t('Dismiss'),
      );
      this.alert.replaceChildren(
        ...(failed
          ? [h('div', { class: 'banner' }, h('div', {}, h('b', {}, failed.what), ' ', failed.hint), close)]
          : []),
      );
    }
  }

  focus(): void {
    this.root.querySelector<HTMLElement>('summary')?.focus();
  }

  dispose(): void {
    this.off();
  }

  private section(title: Title): void {
    const count = h('span', { class: 'count' });
    const body = h('div', { class: 'body' });
    const summary = h('summary', {}, h('h3', {}, this.host.translate(title)), count);
    const element = h('details', { open: true }, summary, body) as HTMLDetailsElement;
    this.sections.set(title, { element, count, body, shown: '' });
    this.root.append(element);
  }

  /** Draw a section anew where its data have changed; the focus stays on the control that had it. */
  private show(title: Title, data: unknown, count: string, draw: () => (Node | string)[]): void {
    const section = this.sections.get(title)!;
    section.count.textContent = count;
    const now = JSON.stringify(data) ?? '';
    if (now === section.shown) return;
    section.shown = now;
    const active = section.body.querySelector<HTMLElement>(':focus');
    const key = active?.dataset.key;
    section.body.replaceChildren(...draw());
    if (!active) return;
    const same = [...section.body.querySelectorAll<HTMLElement>('[data-key]')].find(
      item => item.dataset.key === key,
    );
    (same ?? section.element.querySelector('summary'))?.focus();
  }

  private ghost({ ghost, state }: PanelContent): (Node | string)[] {
    const t = this.host.translate;
    if (!ghost?.available) return [h('p', { class: 'fg2' }, t('This host has no inline completer.'))];
    const box = h('input', {
      type: 'checkbox',
      role: 'switch',
      'data-key': 'ghost',
      onchange: () => this.host.ghost(box.checked),
    });
    box.checked = ghost.on;
    const { model, median, p90 } = state?.ghost ?? { model: '', median: null, p90: null };
    const times = median === null ? '' : ` · ${median} ms, 9 of 10 within ${p90} ms`;
    return [
      h('label', { class: 'switch' }, box, t('in code, prompts and Markdown cells')),
      h('p', { class: 'fg2' }, `${model || t('the model in use')}${times}`),
    ];
  }
}

/** The model in use in the status bar of JupyterLab: a click opens the panel. */

import { Widget } from '@lumino/widgets';
import type { PanelState } from '../../protocol/panel.js';
import { visible } from '../../ui/format.js';

/** "smollm2-135m-instruct · auto · 92 tokens/s", and what it says to a screen reader. */
export function statusText(state: PanelState | undefined): string {
  if (state?.server) return visible(state.server);
  const loading = state?.jobs.find(job => job.kind === 'loading');
  if (loading) {
    const share = loading.share === null ? '' : ` · ${Math.round(100 * loading.share)} %`;
    return `${visible(loading.title)}${share}`;
  }
  const { model } = state ?? {};
  if (!model) return 'no model';
  const speed = model.speed === null ? '' : ` · ${Math.round(model.speed)} tokens/s`;
  return `${visible(model.name)} · ${visible(model.precision)}${speed}`;
}

export class StatusItem extends Widget {
  private readonly text = document.createElement('span');

  constructor(open: () => void, label: string) {
    super();
    this.addClass('jp-mod-highlighted');
    this.text.className = 'jp-StatusBar-TextItem';
    this.node.append(this.text);
    this.node.tabIndex = 0;
    this.node.setAttribute('role', 'button');
    this.node.title = label;
    this.node.addEventListener('click', open);
    this.node.addEventListener('keydown', event => {
      if (event.key !== 'Enter' && event.key !== ' ') return;
      event.preventDefault();
      open();
    });
    this.describe(undefined);
  }

  describe(state: PanelState | undefined): void {
    const text = statusText(state);
    const answers = state?.jobs.some(job => job.kind === 'answer') ? '● ' : '';
    this.text.textContent = answers + text;
    this.node.setAttribute('aria-label', `Language model: ${text}`);
  }
}

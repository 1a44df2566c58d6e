/** Our views for anywidget: where there is no plugin of ours (VS Code, Colab, a JupyterLab without it). */

import { InspectionMount } from '../inspect/registry.js';
import type { PlaygroundHost } from '../playground/host.js';
import { Playground } from '../playground/playgroundView.js';
import type { InspectionPayload } from '../protocol/inspection.js';
import type { KernelMessage } from '../protocol/messages.js';
import { type PlaygroundMessage, readPlayground } from '../protocol/playground.js';
import type { RecordPayload } from '../protocol/record.js';
import { type Buffers, StreamStore } from '../protocol/streams.js';
import { type WidgetModel, WidgetStrip } from './widgetStrip.js';

function render({ model, el }: { model: WidgetModel; el: HTMLElement }): () => void {
  if (model.get('kind') === 'playground') return playground(model, el);
  if (model.get('kind') === 'inside') {
    const opened = new InspectionMount(el, () => '');
    void opened.show((model.get('payload') ?? {}) as InspectionPayload, {});
    return () => opened.dispose();
  }
  const strip = new WidgetStrip(model, el, (model.get('payload') ?? {}) as RecordPayload);
  return () => strip.dispose();
}

function playground(model: WidgetModel, el: HTMLElement): () => void {
  const plays = new Set<(message: PlaygroundMessage) => void>();
  const answers = new StreamStore({ send: order => model.send(order) });
  const hear = (content: unknown, buffers: Buffers) => {
    const event = content as KernelMessage;
    if (event?.type === 'playground') for (const listener of plays) listener(event);
    else if (event && 'id' in event) answers.onMessage(event, buffers);
  };
  model.on('msg:custom', hear);
  const host: PlaygroundHost = {
    availability: 'ready', // a widget does not know: what is sent waits for a busy kernel
    answers,
    send: order => model.send(order),
    onAvailability: () => () => {},
    onPlay: listener => {
      plays.add(listener);
      return () => plays.delete(listener);
    },
  };
  const view = new Playground(readPlayground(model.get('payload')), el, host);
  return () => {
    model.off('msg:custom', hear);
    view.dispose();
  };
}

export default { render };

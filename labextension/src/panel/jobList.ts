/** What runs in the kernel, with its progress; each can be stopped, and tuning can be paused. */

import type { Job } from '../protocol/panel.js';
import { h, icon } from '../ui/dom.js';
import { visible } from '../ui/format.js';
import type { PanelHost } from './content.js';

const KINDS: Record<string, string> = { answer: '', rows: 'Rows', tuning: 'Tuning', loading: '' };

export function jobList(jobs: Job[], host: PanelHost): (Node | string)[] {
  if (!jobs.length) return [h('p', { class: 'fg2' }, host.translate('Nothing runs.'))];
  return [h('ul', {}, ...jobs.map(job => h('li', {}, ...line(job, host))))];
}

function line(job: Job, host: PanelHost): Node[] {
  const name = [KINDS[job.kind] ?? '', visible(job.title)].filter(Boolean).join(' ');
  const button = (key: string, label: string, sign: Node, act: () => void) =>
    h(
      'button',
      {
        class: 'button plain',
        type: 'button',
        'data-key': `${key} ${job.id}`,
        'aria-label': `${label}: ${name}`,
        title: label,
        onclick: act,
      },
      sign,
    );
  const t = host.translate;
  const pause =
    job.paused === null
      ? null
      : job.paused
        ? button('resume', t('Resume'), icon('play'), () => host.pause(job.id, false))
        : button('pause', t('Pause'), icon('pause'), () => host.pause(job.id, true));
  const stop = job.stop ? button('stop', t('Stop'), icon('stop'), () => host.stop(job.id)) : null;
  const known = job.share !== null;
  const inner = h('i', {});
  inner.style.width = `${100 * (job.share ?? 0)}%`;
  const bar = h(
    'div',
    {
      class: `progress${job.paused ? ' paused' : ''}${known ? '' : ' unknown'}`,
      role: 'progressbar',
      'aria-label': name,
      'aria-valuemin': 0,
      'aria-valuemax': 100,
      'aria-valuenow': known ? Math.round(100 * job.share!) : undefined,
    },
    inner,
  );
  return [
    h('div', { class: 'head' }, h('b', {}, name), h('span', { class: 'acts' }, pause, stop)),
    bar,
    h('p', { class: 'fg2' }, visible(job.detail)),
  ];
}

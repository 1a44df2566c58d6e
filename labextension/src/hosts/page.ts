/** A view in a page of its own, as views/standalone_html.py writes it: no kernel, nothing fetched. */

import { InspectionMount } from '../inspect/registry.js';
import { type RecordPayload, readRecord } from '../protocol/record.js';
import { Strip } from '../strip/strip.js';

const place = document.getElementById('view');
const json = document.getElementById('record')?.textContent;

if (place && json) {
  const { mime, payload } = JSON.parse(json) as { mime: string; payload: RecordPayload };
  const text = place.textContent ?? '';
  place.replaceChildren();
  if (mime.includes('inside')) void new InspectionMount(place, () => text).show(payload, {});
  else
    readRecord(payload).then(
      record => new Strip(record, place, {}, undefined, { mode: 'surprisal' }),
      () => place.append(text),
    );
}

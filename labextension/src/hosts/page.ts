/** A view in a page of its own, as views/page.py writes it: no kernel, nothing fetched. */

import { type Kept, readKept } from '../record.js';
import { Opened } from '../views/inside/open.js';
import { Strip } from '../views/strip.js';

const place = document.getElementById('view');
const kept = document.getElementById('record')?.textContent;

if (place && kept) {
  const { mime, payload } = JSON.parse(kept) as { mime: string; payload: Kept };
  const text = place.textContent ?? '';
  place.replaceChildren();
  if (mime.includes('inside')) void new Opened(place, () => text).show(payload, {});
  else
    readKept(payload).then(
      record => new Strip(record, place, {}, undefined, { mode: 'surprisal' }),
      () => place.append(text),
    );
}

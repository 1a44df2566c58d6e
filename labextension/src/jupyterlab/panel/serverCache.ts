/** The cache of the server's machine, by the server extension (server_extension.py): where no kernel is there. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type { CacheListing } from '../../protocol/panel.js';

async function request(
  settings: ServerConnection.ISettings,
  path: string,
  method: string,
): Promise<Response> {
  const url = URLExt.join(settings.baseUrl, 'llm-magics', 'models', path);
  return ServerConnection.makeRequest(url, { method }, settings);
}

/** The listing; undefined where the server has no such extension, or does not allow it. */
export async function listCache(settings: ServerConnection.ISettings): Promise<CacheListing | undefined> {
  try {
    const response = await request(settings, '', 'GET');
    return response.ok ? ((await response.json()) as CacheListing) : undefined;
  } catch {
    return undefined; // the server is gone
  }
}

/** Delete a model of the listing; what went wrong, or an empty text. */
export async function deleteModel(settings: ServerConnection.ISettings, key: string): Promise<string> {
  try {
    const response = await request(settings, key.split('/').map(encodeURIComponent).join('/'), 'DELETE');
    return response.ok ? '' : `The server answered ${response.status}.`;
  } catch (error) {
    return String(error);
  }
}

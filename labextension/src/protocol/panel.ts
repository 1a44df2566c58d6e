/** What the panel of models shows. Twins: magics/panel/state.py, magics/panel/jobs.py, sources/cache_listing.py. */

export interface LoadedModel {
  name: string;
  title: string;
  /** Of its entry in the cache; empty where it is not there. */
  key: string;
  license: string;
  precision: string;
  kl: number | null;
  context: number;
  weights: number;
  caches: number;
  speed: number | null;
  first: number | null;
}

export interface SavedAdapter {
  name: string;
  bytes: number;
  base: string;
  fits: boolean | null;
}

export interface Job {
  id: string;
  kind: string;
  title: string;
  share: number | null;
  detail: string;
  paused: boolean | null;
  stop: string;
}

export interface PanelState {
  model: LoadedModel | null;
  server: string | null;
  default: { name: string; title: string; bytes: number };
  free: number;
  adapters: SavedAdapter[];
  adapter: { name: string; strength: number } | null;
  jobs: Job[];
  ghost: { model: string; median: number | null; p90: number | null };
}

export interface CachedModel {
  key: string;
  name: string;
  title: string;
  precision: string;
  license: string;
  bytes: number;
  used: number;
  damaged: boolean;
  fetch: number;
}

export interface CacheListing {
  models: CachedModel[];
  downloads: number;
  free: number;
  host: string;
  cache: string;
}

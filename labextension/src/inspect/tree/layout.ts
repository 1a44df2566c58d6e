/** The shape of a tree of samples: stretches that are said alike, and where they part. */

import { probability } from '../../ui/format.js';

export interface Sample {
  n: number;
  ids: number[];
  texts: string[];
  begin: number;
  seed: number;
  end: string;
}

/** A stretch of tokens that all its samples have. */
export interface Node {
  samples: Sample[];
  /** Its first token's place in each sample. */
  depth: number;
  text: string;
  length: number;
  p: number;
  children: Node[];
  /** Siblings that are folded into one. */
  folded?: Node[];
  key: string;
}

/** The ways on from a place, those with most samples first. */
export function grow(
  samples: readonly Sample[],
  depth: number,
  path: string,
  logprob: (sample: Sample, place: number) => number,
): Node[] {
  const groups = new Map<number, Sample[]>();
  for (const sample of samples) {
    const id = sample.ids[depth];
    if (id === undefined) continue;
    const group = groups.get(id);
    if (group) group.push(sample);
    else groups.set(id, [sample]);
  }
  return [...groups]
    .map(([id, group]) => {
      let length = 1;
      const one = group[0]!;
      const alike = (place: number) =>
        one.ids[place] !== undefined && group.every(other => other.ids[place] === one.ids[place]);
      while (alike(depth + length)) length++;
      const key = `${path}/${id}`;
      const text = one.texts.slice(depth, depth + length).join('');
      const children = group.length > 1 ? grow(group, depth + length, key, logprob) : [];
      return {
        samples: group,
        depth,
        text,
        length,
        p: probability(logprob(one, depth)),
        children,
        key,
      };
    })
    .sort((a, b) => b.samples.length - a.samples.length || b.p - a.p);
}

/** More than two siblings below the limit become one, unless they were unfolded. */
export function folded(nodes: Node[], path: string, least: number, unfolded: ReadonlySet<string>): Node[] {
  const small = nodes.filter(node => node.samples.length < least);
  if (small.length <= 2 || unfolded.has(path)) return nodes;
  const [first] = small;
  const all = small.flatMap(node => node.samples);
  const p = small.reduce((sum, node) => sum + node.p, 0);
  const one: Node = {
    samples: all,
    depth: first!.depth,
    text: '',
    length: 0,
    p,
    children: [],
    folded: small,
    key: path,
  };
  return [...nodes.filter(node => node.samples.length >= least), one];
}

/** Whether two samples are the same before a place. */
export function alike(a: Sample, b: Sample, place: number): boolean {
  for (let n = 0; n < place; n++) if (a.ids[n] !== b.ids[n]) return false;
  return true;
}

/** One choice of the sampler among the candidates that are known; the twin of `decide` in inspection/replay.py. */

export interface Rules {
  temperature: number;
  top_k: number;
  top_p: number;
  min_p: number;
  repetition_penalty: number;
}

/** The rules in a record's options, whatever the file holds. */
export function rulesOf(options: unknown): Rules {
  const raw = (options ?? {}) as Record<string, unknown>;
  const number = (name: string, other: number) => (Number.isFinite(raw[name]) ? Number(raw[name]) : other);
  return {
    temperature: number('temperature', 1),
    top_k: number('top_k', 0),
    top_p: number('top_p', 1),
    min_p: number('min_p', 0),
    repetition_penalty: number('repetition_penalty', 1),
  };
}

export interface Candidate {
  id: number;
  /** Under the model, before any rule. */
  logprob: number;
  /** Whether a penalty touches it. */
  seen: boolean;
}

export interface Decided {
  /** The candidates, likeliest first under the penalty. */
  order: Candidate[];
  /** Of each, after temperature and penalty, before the others; as shares of all candidates. */
  scaled: number[];
  /** Of each, after all rules; 0 where it was removed. */
  shares: number[];
  /** Which rule removed it. */
  removed: string[];
  /** Its place in `order`. */
  chosen: number;
  /** What is no candidate and could have been one. */
  lacks: number;
}

/** `rest` is the probability of all that is no candidate; `u` is NaN where no dice fell. */
export function decide(
  candidates: readonly Candidate[],
  logTotal: number,
  u: number,
  rules: Rules,
  rest: number,
): Decided {
  const { temperature, top_k, top_p, min_p, repetition_penalty: penalty } = rules;
  const logits = candidates.map(({ logprob, seen }, n) => {
    const logit = logprob + logTotal;
    return { n, value: !seen ? logit : logit > 0 ? logit / penalty : logit * penalty };
  });
  logits.sort((a, b) => b.value - a.value || a.n - b.n);
  const order = logits.map(({ n }) => candidates[n]!);
  const removed = order.map(() => '');
  if (temperature === 0) {
    const shares = order.map((_, n) => (n === 0 ? 1 : 0));
    return { order, scaled: shares, shares, removed, chosen: 0, lacks: 0 };
  }
  const best = logits[0]?.value ?? 0;
  const odds = logits.map(({ value }) => Math.exp((value - best) / temperature));
  const passes = odds.map(() => true);
  let lacks = top_k === 0 || top_k > order.length ? rest : 0;
  const drop = (n: number, rule: string) => {
    if (passes[n]) removed[n] = rule;
    passes[n] = false;
  };
  if (top_k) for (let n = top_k; n < odds.length; n++) drop(n, 'top-k');
  const sum = () => odds.reduce((all, weight, n) => (passes[n] ? all + weight : all), 0);
  const all = odds.reduce((total, weight) => total + weight, 0);
  // What is no candidate counts as if the temperature did not move it: exact at temperature 1.
  const whole = lacks ? sum() / (1 - Math.min(lacks, 0.999999)) : sum();
  if (top_p < 1) {
    let above = 0;
    for (let n = 0; n < odds.length; n++) {
      const own = passes[n] ? odds[n]! : 0;
      if (passes[n] && above >= top_p * whole) drop(n, 'top-p');
      above += own;
    }
    if (lacks && sum() >= top_p * whole) lacks = 0;
  }
  if (min_p > 0) {
    const most = Math.max(...odds.filter((_, n) => passes[n]));
    for (let n = 0; n < odds.length; n++) if (passes[n] && odds[n]! < min_p * most) drop(n, 'min-p');
    if (odds.at(-1)! < min_p * odds[0]!) lacks = 0;
  }
  const total = sum();
  const shares = odds.map((weight, n) => (passes[n] ? weight / total : 0));
  let chosen = 0;
  if (!Number.isNaN(u)) {
    let far = 0;
    for (let n = 0; n < odds.length; n++) {
      if (!passes[n]) continue;
      chosen = n;
      far += odds[n]!;
      if (far > u * total) break;
    }
  }
  return { order, scaled: odds.map(weight => weight / all), shares, removed, chosen, lacks };
}

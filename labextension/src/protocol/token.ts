/** A token of a record, with the alternatives that the model considered. Twin: core/records.py. */

export interface Alternative {
  id: number;
  text: string;
  /** nats */
  logprob: number;
  /** Whether the grammar of the answer did not allow it. */
  banned?: boolean;
}
export interface Token extends Alternative {
  /** nats */
  entropy: number;
  /** from 0 */
  rank: number;
  alternatives: Alternative[];
  /** seconds since the request began */
  time: number;
  /** The random number that decided on it. */
  u?: number;
  /** The logarithm of the sum of all e^logit. */
  log_total?: number;
  /** How many tokens the grammar allowed; 1 where this one was forced. */
  allowed?: number;
  /** The logarithm of the probability of all that it allowed. */
  log_allowed?: number;
}
export type Head = Record<string, unknown>;

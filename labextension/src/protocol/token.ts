/** A token of a record, with the alternatives that the model considered. Twin: core/records.py. */

export interface Alternative {
  id: number;
  text: string;
  /** nats */
  logprob: number;
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
}
export type Head = Record<string, unknown>;

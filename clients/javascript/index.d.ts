/** `Sortition-Variants` as an object, in its order. What is no RFC 9651 dictionary says nothing. */
export function variants(header: string | null | undefined): Record<string, string>;
/** The value of `Sortition-Expose`. */
export function expose(experiments: Iterable<string>): string;
/** The value of `Sortition-Signature` for a body, at a time in seconds. */
export function sign(body: string, secret: string, seconds?: number): Promise<string>;
/** What lets a page say that a visitor is a user. */
export function proof(anonymousId: string, userId: string, secret: string): Promise<string>;
/** The user cookie of `visitor.user_signed`. */
export function signedUser(user: string, secret: string): Promise<string>;

export interface Event {
  /** Default: `experiment_converted`. */
  type?: string;
  anonymous_id?: string;
  user_id?: string;
  conversion_event?: string;
  value?: number | string;
  currency?: string;
  transaction_id?: string;
  converted_at?: string;
  properties?: Record<string, unknown>;
  [field: string]: unknown;
}

export interface Question {
  units?: { visitor?: string; user?: string; session?: string };
  names?: string[];
  tags?: string[];
  url?: string;
  device?: string;
  attributes?: Record<string, unknown>;
  expose?: boolean;
  batch?: { units: Question["units"]; attributes?: Record<string, unknown> }[];
}

export interface Decision {
  experiment: string;
  iteration: number;
  variant: string | null;
  payload?: unknown;
  reason: string;
  exposure?: unknown;
}

export interface Client {
  report(events: Event[]): Promise<void>;
  choose(question: Question): Promise<{ decisions?: Decision[]; batch?: { decisions: Decision[] }[]; revision: string }>;
}

export function sortition(options: {
  url: string | URL;
  secret?: string;
  token?: string;
  tries?: number;
  wait?: number;
  fetch?: typeof fetch;
}): Client;

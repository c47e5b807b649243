/** Whom decisions are for. */
export interface Units {
  visitor?: string;
  user?: string;
  session?: string;
}
/** A question, as the endpoint `choose` takes it. */
export interface Question {
  units?: Units;
  names?: string[];
  tags?: string[];
  url?: string;
  device?: string;
  attributes?: Record<string, unknown>;
  batch?: { units: Units; attributes?: Record<string, unknown>; device?: string }[];
}
/** What one experiment is for somebody. `exposure` is what to report once the variant was met. */
export interface Decision {
  experiment: string;
  iteration: number;
  variant: string | null;
  payload: unknown;
  reason: string;
  exposure: object | null;
}
/** The answer: `batch` where many were asked for. */
export interface Decisions {
  decisions: Decision[];
  batch?: { decisions: Decision[] }[];
  revision: string;
}
/** An evaluation, as OFREP has it. */
export interface Evaluation {
  key: string;
  value?: unknown;
  reason?: string;
  variant?: string;
  errorCode?: string;
  errorDetails?: string;
  metadata?: Record<string, string | number | boolean>;
}
/** What is wrong with a question. */
export class Refused extends Error {
  status: number;
  problem: Record<string, unknown>;
}
/** A document, checked and compiled. */
export class Engine {
  constructor(document: string | object);
  readonly revision: string;
  kill(kill: { all?: boolean; experiments?: string[] }): void;
  choose(question: Question, now?: number): Decisions;
  evaluate(context: Record<string, unknown>, key: string, now?: number): Evaluation;
  evaluate(context: Record<string, unknown>): { flags: Evaluation[]; metadata: Record<string, string> };
}

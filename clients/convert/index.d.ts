export interface Variation {
  id: string;
  key: string;
  experienceId: string;
  experienceKey: string;
  changes?: unknown[];
  payload?: unknown;
}
export interface Range {
  id: string;
  from: number;
  to: number;
}
export interface Store {
  get(key: string): unknown;
  set(key: string, value: unknown): unknown;
}
export interface Decider {
  prefix: string;
  exposes?: boolean;
  keys(visitor: string): string[] | Promise<string[]>;
  goal(key: string): string | undefined;
  experience(key: string): string | undefined;
  decide(key: string, visitor: string, stored: string | undefined, expose: boolean): Promise<Omit<Variation, "experienceKey"> | undefined>;
}
export interface Context {
  runExperience(key: string, options?: { enableTracking?: boolean }): Promise<Variation | undefined>;
  runExperiences(options?: { enableTracking?: boolean }): Promise<Variation[]>;
  trackConversion(
    key: string,
    options?: {
      conversionData?: { key: "amount" | "currency" | "transactionId" | string; value: unknown }[];
      conversionSetting?: { forceMultipleTransactions?: boolean };
    },
  ): Promise<boolean>;
}
export function visitorId(cookies?: string): string | undefined;
export function bucketOf(experienceId: string, visitor: string): number;
export function packed(variations: object[]): Range[];
export function anchored(variations: object[]): Range[];
export function layoutOf(experience: { version?: number }): (variations: object[]) => Range[];
export function byConfiguration(config: object, options?: { layout?: "packed" | "anchored" }): Decider;
export function byWorker(options?: { base?: string; token?: string; context?: Record<string, unknown> }): Decider;
export function inMemory(kept?: Map<string, unknown>): Store;
export function inBrowser(storage?: Storage): Store;
export function createContext(
  visitor: string,
  options: { decider: Decider; store?: Store; report?: (events: object[]) => unknown },
): Context;

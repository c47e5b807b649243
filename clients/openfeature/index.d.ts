/** Sends events; rejects where they were refused. */
export type Send = (events: object[]) => Promise<void>;
/** What to do with a failure. */
export interface Options {
  report?: (error: unknown) => void;
}
/** Posts events for the visitor of the browser's own cookie. */
export function fromBrowser(base?: string): Send;
/** Posts events from a server, signed with INGEST_SECRET. */
export function fromServer(base: string, secret: string): Send;
/** A hook that exposes what is used. */
export function exposureHook(send: Send, options?: Options): { after(hookContext: unknown, details: unknown): void };
/** Puts `track` into a provider. */
export function withTracking<Provider extends object>(provider: Provider, send: Send, options?: Options): Provider;

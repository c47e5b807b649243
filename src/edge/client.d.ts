/** What the page's script `/_sortition/client.js` offers as `window.sortition`. */
export interface Sortition {
  /** The variant that this visitor was given on this page; undefined where the experiment does not act. */
  variant(experiment: string): string | undefined;
  /** The payload of that variant. */
  payload<T = unknown>(experiment: string): T | undefined;
  /** The visitor id; undefined where the cookie is kept from scripts, or there is none yet. */
  readonly visitorId: string | undefined;
  /** Reports that the visitor met a variant, once a page; without `variant` the one that they were given. */
  trackExposure(exposure: { experiment_id: string; variant?: string | number | boolean }): void;
  /** Reports an outcome. */
  trackConversion(event: string, details?: Conversion): void;
  /**
   * From here on the visitor and the shop's user are one person. An opaque key, never an e-mail address; `proof` is the hex
   * HMAC-SHA256 of visitor id, a dot, and user id under `INGEST_SECRET`, which the server makes.
   */
  identify(userId: string | number, proof?: string): void;
}

export interface Conversion {
  /** In the currency's major unit: `19.99`. Not negative: refunds come from a server. */
  value?: number | string;
  /** ISO 4217, in upper case. */
  currency?: string;
  /** The shop's number of the order: the same one counts once for each event. */
  transaction_id?: string | number;
  /** What else is worth knowing: at most 64 values, three levels deep. */
  properties?: Record<string, unknown>;
}

declare global {
  interface Window {
    sortition: Sortition;
  }
}

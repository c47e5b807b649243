// What every bridge does: hands another tool's assignments and goals to the page's script, which reports them as ours.

// why: a page that has the script already must not have it twice, since it knows what was told
if (!window.sortition) await import("../client.js");

const isNamed = (name) => name !== undefined && name !== null && name !== "";

/** Somebody met a variant, by the other tool's names: a page tells it once, the record counts it once. */
export function expose(experiment, variant) {
  if (!isNamed(experiment) || !isNamed(variant)) return;
  window.sortition.trackExposure({ experiment_id: String(experiment), variant: String(variant) });
}

/** Somebody reached a goal. Of what the other tool knows of it, only amount, currency and order come along. */
export function convert(event, known = {}) {
  // why: names of their own start so in most tools
  if (!isNamed(event) || String(event).startsWith("$")) return;
  const value = known.value ?? known.revenue ?? known.amount;
  const transaction_id = known.transaction_id ?? known.transactionId ?? known.order_id ?? known.orderId;
  const details = {};
  if (isNamed(value) && Number.isFinite(Number(value))) details.value = Number(value);
  if (isNamed(known.currency)) details.currency = String(known.currency);
  if (isNamed(transaction_id)) details.transaction_id = String(transaction_id);
  window.sortition.trackConversion(String(event), details);
}

/** A function in the place of a method that does the same and then something more. */
export function after(object, method, then) {
  const own = object[method];
  object[method] = function (...given) {
    const answer = own.apply(this, given);
    then(...given);
    return answer;
  };
}

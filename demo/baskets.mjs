// Baskets of visitors, in memory, found by the shop's own session cookie.

import { randomUUID } from "node:crypto";
import { CURRENCY, DELIVERY, productBySlug } from "./catalogue.mjs";

export const SESSION_COOKIE = "shop_session";
/** How many pieces are in the basket, for the script of the page to show. */
export const COUNT_COOKIE = "shop_count";
export const MOST_OF_ONE = 20;

const SESSIONS_KEPT = 5000;
const COUNT_COOKIE_DAYS = 14;

export class Baskets {
  #sessions = new Map();

  /** The session that the request's cookie names, or undefined. */
  find(request) {
    const id = cookieOf(request, SESSION_COOKIE);
    const session = this.#sessions.get(id);
    if (session !== undefined) this.#touch(session);
    return session;
  }

  /** The request's session, a new one if there is none. */
  open(request) {
    const found = this.find(request);
    if (found !== undefined) return found;
    const session = { id: randomUUID(), lines: new Map(), visitor: undefined, order: undefined };
    this.#touch(session);
    return session;
  }

  /** Keeps the most recently used sessions, so that memory stays bounded. */
  #touch(session) {
    this.#sessions.delete(session.id);
    this.#sessions.set(session.id, session);
    if (this.#sessions.size > SESSIONS_KEPT) this.#sessions.delete(this.#sessions.keys().next().value);
  }
}

export function addToBasket(session, slug, quantity) {
  setInBasket(session, slug, (session.lines.get(slug) ?? 0) + quantity);
}

export function setInBasket(session, slug, quantity) {
  if (quantity <= 0) session.lines.delete(slug);
  else session.lines.set(slug, Math.min(quantity, MOST_OF_ONE));
}

/** The basket as the pages and the API show it; amounts in cents. */
export function totals(session) {
  const items = [...(session?.lines ?? [])].map(([slug, quantity]) => {
    const product = productBySlug(slug);
    return { product, quantity, total: product.price * quantity };
  });
  const count = items.reduce((sum, item) => sum + item.quantity, 0);
  const subtotal = items.reduce((sum, item) => sum + item.total, 0);
  const delivery = count === 0 || subtotal >= DELIVERY.freeFrom ? 0 : DELIVERY.price;
  return { items, count, subtotal, delivery, total: subtotal + delivery };
}

/** The basket in the API's JSON: amounts in the major unit. */
export function basketJson(session) {
  const { items, count, subtotal, delivery, total } = totals(session);
  return {
    items: items.map(({ product, quantity, total: line }) => ({
      product: product.slug,
      name: product.name,
      quantity,
      unit_price: product.price / 100,
      total: line / 100,
    })),
    count,
    subtotal: subtotal / 100,
    delivery: delivery / 100,
    total: total / 100,
    currency: CURRENCY,
    // The visitor that the edge named, kept with the basket: with it an order
    // can be reported later by a server that never sees the visitor's cookies.
    attributes: session?.visitor === undefined ? {} : { sortition_id: session.visitor },
  };
}

/** Two cookies: the session, and a count with a comma in its date. */
export function basketCookies(session, now) {
  const expires = new Date(now.getTime() + COUNT_COOKIE_DAYS * 86_400_000).toUTCString();
  return [
    `${SESSION_COOKIE}=${session.id}; Path=/; HttpOnly; SameSite=Lax`,
    `${COUNT_COOKIE}=${totals(session).count}; Path=/; Expires=${expires}; SameSite=Lax`,
  ];
}

function cookieOf(request, name) {
  for (const pair of (request.headers.cookie ?? "").split(";")) {
    const [key, value] = pair.trim().split("=", 2);
    if (key === name) return value;
  }
  return undefined;
}

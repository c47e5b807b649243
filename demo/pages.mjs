// The shop's HTML. Every function returns a whole document as text; nothing
// here knows about requests, except what it is told.

import { MOST_OF_ONE } from "./baskets.mjs";
import { CATEGORIES, CURRENCY, categoryBySlug, DELIVERY, PRODUCTS, productsIn } from "./catalogue.mjs";

/** The shop's public address: canonical links name it, wherever the demo runs. */
export const SITE = "https://www.larkmoor.example";

const SHOP = "Larkmoor";

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escapeHtml = (text) => String(text).replace(/[&<>"']/g, (character) => ENTITIES[character]);

const money = (cents, locale = "en-IE") =>
  new Intl.NumberFormat(locale, { style: "currency", currency: CURRENCY }).format(cents / 100);

/** The order value from which delivery is free, without its empty cents. */
const freeFrom = (locale = "en-IE") =>
  new Intl.NumberFormat(locale, { style: "currency", currency: CURRENCY, maximumFractionDigits: 0 }).format(
    DELIVERY.freeFrom / 100,
  );

/** JSON inside a script element: no `<` may end it early. */
const jsonLd = (data) =>
  `<script type="application/ld+json">${JSON.stringify({ "@context": "https://schema.org", ...data }).replaceAll("<", "\\u003c")}</script>`;

const TEXTS = {
  en: {
    notice: `Free delivery from ${freeFrom()}. Sixty days to change your mind.`,
    skip: "Skip to content",
    search: "Search the shop",
    find: "Search",
    basket: "Basket",
    tagline: "Made to be mended.",
    about:
      "Larkmoor makes and mends outdoor kit in a small workshop. This is a demonstration shop: nothing you order here will be sent or charged.",
    shop: "Shop",
    help: "Help",
    helpLinks: ["Delivery within 2–4 working days", "Returns free for 60 days", "Repairs for the life of a product"],
  },
  de: {
    notice: `Versand frei ab ${freeFrom("de-DE")}. Sechzig Tage Rückgabe.`,
    skip: "Zum Inhalt",
    search: "Im Shop suchen",
    find: "Suchen",
    basket: "Warenkorb",
    tagline: "Gemacht, um repariert zu werden.",
    about:
      "Larkmoor fertigt und repariert Ausrüstung in einer kleinen Werkstatt. Dies ist ein Vorführ-Shop: Nichts wird verschickt oder berechnet.",
    shop: "Sortiment",
    help: "Hilfe",
    helpLinks: ["Lieferung in 2–4 Werktagen", "60 Tage kostenlose Rückgabe", "Reparatur, solange es das Produkt gibt"],
  },
};

/** The two halves of a document, apart so that a page can stream between them. */
export function frame({ title, description, path, lang = "en", robots, head = "", active }) {
  const t = TEXTS[lang];
  const name = (category) => escapeHtml(lang === "de" ? category.nameDe : category.name);
  const links = CATEGORIES.map(
    (category) =>
      `<li><a href="/c/${category.slug}"${active === category.slug ? ' aria-current="page"' : ""}>${name(category)}</a></li>`,
  ).join("");
  const top = `<!doctype html>
<html lang="${lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<meta name="description" content="${escapeHtml(description)}">
${robots ? `<meta name="robots" content="${robots}">` : `<link rel="canonical" href="${SITE}${path}">`}
<meta name="theme-color" content="#1f3d33">
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
<script type="module" src="/page.js"></script>
${head}</head>
<body>
<a class="skip" href="#content">${t.skip}</a>
<p class="notice">${t.notice}</p>
<header class="top">
<div class="wrap top-row">
<a class="brand" href="${lang === "de" ? "/de/" : "/"}"><img src="/favicon.svg" alt="" width="34" height="34"><span>${SHOP}</span></a>
<nav class="main-nav" aria-label="${t.shop}"><ul>${links}</ul></nav>
<form class="find" action="/search" role="search"><label class="unseen" for="q">${t.search}</label><input id="q" name="q" type="search" placeholder="${t.search}" maxlength="100"><button>${t.find}</button></form>
<a class="basket-link" href="/cart"><svg viewBox="0 0 24 24" width="22" height="22" aria-hidden="true"><path d="M5 9h14l-1.4 10.2a1 1 0 0 1-1 .8H7.4a1 1 0 0 1-1-.8zM8.5 9 12 3.5 15.5 9" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linejoin="round"/></svg><span>${t.basket}</span><b id="basket-count" hidden></b></a>
</div>
</header>
<main id="content">
`;
  const bottom = `
</main>
<footer class="foot">
<div class="wrap foot-row">
<div><p class="foot-brand">${SHOP}</p><p>${t.tagline}</p><p class="small">${t.about}</p></div>
<nav aria-label="${t.shop} (2)"><p class="foot-title">${t.shop}</p><ul>${links}</ul></nav>
<div><p class="foot-title">${t.help}</p><ul>${t.helpLinks.map((line) => `<li>${line}</li>`).join("")}</ul></div>
</div>
</footer>
</body>
</html>
`;
  return { top, bottom };
}

function page(options, main) {
  const { top, bottom } = frame(options);
  return top + main + bottom;
}

const stockLine = (product) =>
  product.stock > 0
    ? `<p class="stock in">In stock, leaves us within a day</p>`
    : `<p class="stock out">Back in about two weeks</p>`;

function card(product, { lang = "en", level = "h3" } = {}) {
  const kind = lang === "de" ? product.kindDe : product.kind;
  return `<li class="card"><a href="/p/${product.slug}"><img src="/art/${product.slug}.svg" alt="" width="480" height="480" loading="lazy"><${level}>${escapeHtml(product.name)}</${level}><p class="kind">${escapeHtml(kind)}</p><p class="price">${money(product.price, lang === "de" ? "de-DE" : "en-IE")}</p></a></li>`;
}

const grid = (products, options) =>
  `<ul class="grid">${products.map((product) => card(product, options)).join("\n")}</ul>`;

const bestsellers = () => PRODUCTS.filter((product) => product.bestseller);

const HOME = {
  en: {
    path: "/",
    title: "Larkmoor: outdoor kit that is made to be mended",
    description:
      "Tents, packs, camp kitchen and boots from a small workshop, guaranteed for ten years and repaired for longer.",
    eyebrow: "The autumn range",
    headline: "Kit for long days and short forecasts",
    lead: "Designed on wet weekends, sewn in our own workshop, and repaired for as long as you walk in it.",
    call: "See the range",
    bestsellers: "What people come back for",
    categories: "Find your kit",
    promises: "Why it lasts",
    promise: [
      ["Ten-year guarantee", "On every seam, zip and buckle. No receipt needed, we stamp the date inside."],
      ["Repaired, not replaced", "One in nine parcels we open is something we made years ago. We mend those first."],
      ["Sixty days outside", "Take it up a hill. If it is not right, send it back muddy."],
    ],
  },
  de: {
    path: "/de/",
    title: "Larkmoor: Ausrüstung, die sich reparieren lässt",
    description: "Zelte, Rucksäcke, Outdoor-Küche und Stiefel aus einer kleinen Werkstatt, mit zehn Jahren Garantie.",
    eyebrow: "Das Herbstsortiment",
    headline: "Ausrüstung für lange Tage und kurze Vorhersagen",
    lead: "Entworfen an nassen Wochenenden, genäht in unserer Werkstatt, repariert, solange Sie damit unterwegs sind. Die Produktseiten sind zurzeit auf Englisch.",
    call: "Zum Sortiment",
    bestsellers: "Was immer wieder gekauft wird",
    categories: "Finden Sie Ihre Ausrüstung",
    promises: "Warum es hält",
    promise: [
      ["Zehn Jahre Garantie", "Auf jede Naht, jeden Reißverschluss, jede Schnalle. Ohne Beleg."],
      [
        "Repariert statt ersetzt",
        "Jedes neunte Paket, das wir öffnen, ist ein altes Stück von uns. Das kommt zuerst dran.",
      ],
      ["Sechzig Tage draußen", "Gehen Sie damit auf den Berg. Passt es nicht, nehmen wir es zurück."],
    ],
  },
};

export function home(lang = "en") {
  const t = HOME[lang];
  const head = `<link rel="alternate" hreflang="en" href="${SITE}/">
<link rel="alternate" hreflang="de" href="${SITE}/de/">
<link rel="alternate" hreflang="x-default" href="${SITE}/">
${jsonLd({
  "@graph": [
    { "@type": "Organization", "@id": `${SITE}/#shop`, name: SHOP, url: `${SITE}/`, logo: `${SITE}/favicon.svg` },
    {
      "@type": "WebSite",
      url: `${SITE}/`,
      name: SHOP,
      publisher: { "@id": `${SITE}/#shop` },
      potentialAction: {
        "@type": "SearchAction",
        target: `${SITE}/search?q={query}`,
        "query-input": "required name=query",
      },
    },
  ],
})}
`;
  const tiles = CATEGORIES.map(
    (category) =>
      `<li><a class="tile" href="/c/${category.slug}"><img src="/art/${category.cover}.svg" alt="" width="480" height="480" loading="lazy"><span>${escapeHtml(lang === "de" ? category.nameDe : category.name)}</span></a></li>`,
  ).join("\n");
  return page(
    { ...t, lang, head },
    `<section class="hero" aria-labelledby="hero-title">
<img class="hero-art" src="/art/hero.svg" alt="" width="1600" height="900">
<div class="wrap hero-text">
<p class="eyebrow">${t.eyebrow}</p>
<h1 id="hero-title">${t.headline}</h1>
<p class="hero-lead">${t.lead}</p>
<a class="button button-light" id="hero-cta" href="/c/shelter">${t.call}</a>
</div>
</section>
<section class="wrap band"><h2>${t.bestsellers}</h2>
${grid(bestsellers().slice(0, 4), { lang })}
</section>
<section class="wrap band"><h2>${t.categories}</h2>
<ul class="tiles">${tiles}</ul>
</section>
<section class="promises band"><div class="wrap"><h2>${t.promises}</h2>
<ul>${t.promise.map(([name, text]) => `<li><h3>${name}</h3><p>${text}</p></li>`).join("")}</ul>
</div></section>`,
  );
}

function breadcrumb(...steps) {
  const trail = [["/", "Home"], ...steps];
  const items = trail.map(([path, name], index) =>
    index === trail.length - 1
      ? `<li aria-current="page">${escapeHtml(name)}</li>`
      : `<li><a href="${path}">${escapeHtml(name)}</a></li>`,
  );
  const data = {
    "@type": "BreadcrumbList",
    itemListElement: trail.map(([path, name], index) => ({
      "@type": "ListItem",
      position: index + 1,
      name,
      item: SITE + path,
    })),
  };
  return { nav: `<nav class="crumbs" aria-label="You are here"><ol>${items.join("")}</ol></nav>`, data };
}

export function category(found) {
  const path = `/c/${found.slug}`;
  const products = productsIn(found);
  const crumbs = breadcrumb([path, found.name]);
  const list = {
    "@type": "ItemList",
    itemListElement: products.map((product, index) => ({
      "@type": "ListItem",
      position: index + 1,
      url: `${SITE}/p/${product.slug}`,
    })),
  };
  return page(
    {
      title: `${found.name} | ${SHOP}`,
      description: found.intro,
      path,
      active: found.slug,
      head: `${jsonLd({ "@graph": [crumbs.data, list] })}\n`,
    },
    `<div class="wrap band">${crumbs.nav}
<h1>${escapeHtml(found.name)}</h1><p class="lead">${escapeHtml(found.intro)}</p>
${grid(products, { level: "h2" })}
</div>`,
  );
}

/** The trust badge: the one thing that the origin itself renders per variant. */
function trustBadge(product, variant) {
  if (variant !== "stars") {
    return `<p class="trust" id="trust-badge">Chosen by ${product.reviews} customers</p>`;
  }
  const full = Math.round(product.rating);
  const stars = "★".repeat(full) + "☆".repeat(5 - full);
  return `<p class="trust" id="trust-badge"><span class="stars" role="img" aria-label="${product.rating} of 5 stars">${stars}</span> <b>${product.rating}</b> from ${product.reviews} customers</p>`;
}

export function product(found, badge) {
  const path = `/p/${found.slug}`;
  const within = categoryBySlug(found.category);
  const crumbs = breadcrumb([`/c/${within.slug}`, within.name], [path, found.name]);
  // No rating in here: structured data may only say what every visitor sees.
  const data = {
    "@type": "Product",
    name: `${SHOP} ${found.name}`,
    description: found.summary,
    image: `${SITE}/art/${found.slug}.svg`,
    sku: found.sku,
    category: within.name,
    brand: { "@type": "Brand", name: SHOP },
    offers: {
      "@type": "Offer",
      url: SITE + path,
      price: (found.price / 100).toFixed(2),
      priceCurrency: CURRENCY,
      availability: `https://schema.org/${found.stock > 0 ? "InStock" : "BackOrder"}`,
      itemCondition: "https://schema.org/NewCondition",
    },
  };
  const related = [...new Set([...productsIn(within), ...bestsellers()])]
    .filter((other) => other !== found)
    .slice(0, 4);
  return page(
    {
      title: `${found.name}, ${found.kind.toLowerCase()} | ${SHOP}`,
      description: found.summary,
      path,
      active: within.slug,
      head: `${jsonLd({ "@graph": [data, crumbs.data] })}\n`,
    },
    `<div class="wrap band">${crumbs.nav}
<article class="product">
<img class="product-art" src="/art/${found.slug}.svg" alt="${escapeHtml(`${found.name}, ${found.kind.toLowerCase()}`)}" width="480" height="480">
<div class="product-text">
<p class="eyebrow">${escapeHtml(found.kind)}</p>
<h1>${escapeHtml(found.name)}</h1>
${trustBadge(found, badge)}
<p class="lead">${escapeHtml(found.summary)}</p>
<p class="price big">${money(found.price)} <small>incl. VAT</small></p>
${stockLine(found)}
<form id="add-to-basket" class="buy" action="/cart" method="post">
<input type="hidden" name="product" value="${found.slug}">
<label for="quantity">Quantity</label>
<input id="quantity" name="quantity" type="number" value="1" min="1" max="${MOST_OF_ONE}" required>
<button class="button">${found.stock > 0 ? "Add to basket" : "Reserve yours"}</button>
</form>
<p id="added" class="added" role="status" hidden>In your basket. <a href="/cart">See the basket</a></p>
<ul class="ticks"><li>Free delivery from ${freeFrom()}</li><li>Free returns for 60 days</li><li>Repairs in our own workshop</li></ul>
</div>
</article>
<section class="details"><div><h2>What it is like</h2>${found.description.map((text) => `<p>${escapeHtml(text)}</p>`).join("")}</div>
<div><h2>In numbers</h2><dl>${found.specs.map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`).join("")}</dl></div></section>
<section><h2>Goes well with it</h2>${grid(related)}</section>
</div>`,
  );
}

export function searchResults(query, found) {
  const heading =
    query === "" ? "Search" : `${found.length} ${found.length === 1 ? "result" : "results"} for “${query}”`;
  const none =
    query === ""
      ? "Type what you are looking for."
      : "Nothing by that name. Try a shorter word, or look through a category.";
  return page(
    {
      title: `${heading} | ${SHOP}`,
      description: "Search the Larkmoor shop.",
      path: "/search",
      robots: "noindex, follow",
    },
    `<div class="wrap band"><h1>${escapeHtml(heading)}</h1>
<form class="search-again" action="/search" role="search"><label for="again">Search for</label><input id="again" name="q" type="search" value="${escapeHtml(query)}" maxlength="100"><button class="button">Search</button></form>
${found.length > 0 ? grid(found, { level: "h2" }) : `<p class="lead">${none}</p>`}
</div>`,
  );
}

const summary = ({ subtotal, delivery, total }) => `<dl class="sums">
<div><dt>Goods</dt><dd>${money(subtotal)}</dd></div>
<div><dt>Delivery</dt><dd>${delivery === 0 ? "Free" : money(delivery)}</dd></div>
<div class="sum"><dt>Total <small>incl. VAT</small></dt><dd>${money(total)}</dd></div>
</dl>`;

const PRIVATE = { robots: "noindex, nofollow" };

export function cart(sums) {
  const empty = `<p class="lead">There is nothing in it yet.</p><p><a class="button" href="/c/shelter">Look around</a></p>`;
  const lines = sums.items.map(
    ({ product: item, quantity, total }) => `<li class="line">
<img src="/art/${item.slug}.svg" alt="" width="480" height="480">
<div><h2><a href="/p/${item.slug}">${escapeHtml(item.name)}</a></h2><p class="kind">${escapeHtml(item.kind)}</p>
<form action="/cart" method="post"><input type="hidden" name="product" value="${item.slug}"><input type="hidden" name="action" value="set">
<label>Quantity <input name="quantity" type="number" value="${quantity}" min="0" max="${MOST_OF_ONE}" required></label>
<button class="quiet">Update</button><button class="quiet" name="action" value="remove">Remove</button></form></div>
<p class="price">${money(total)}</p></li>`,
  );
  return page(
    { title: `Your basket | ${SHOP}`, description: "What is in your basket.", path: "/cart", ...PRIVATE },
    `<div class="wrap band"><h1>Your basket</h1>
${
  sums.count === 0
    ? empty
    : `<div class="columns"><ul class="lines">${lines.join("\n")}</ul>
<aside class="panel"><h2>Summary</h2>${summary(sums)}<a class="button wide" href="/checkout">To the checkout</a><p class="small">${sums.delivery === 0 ? "Delivery is free." : `Another ${money(DELIVERY.freeFrom - sums.subtotal)} and delivery is free.`}</p></aside></div>`
}
</div>`,
  );
}

/** The fields of the checkout, in order: name, label, autocomplete, type. */
export const CHECKOUT_FIELDS = [
  ["email", "Email", "email", "email"],
  ["name", "Full name", "name", "text"],
  ["address", "Street and number", "street-address", "text"],
  ["postcode", "Postcode", "postal-code", "text"],
  ["city", "Town or city", "address-level2", "text"],
];

export function checkout(sums, { values = {}, problems = {} } = {}) {
  const fields = CHECKOUT_FIELDS.map(([name, label, autocomplete, type]) => {
    const problem = problems[name];
    return `<p class="field field-${name}"><label for="${name}">${label}</label><input id="${name}" name="${name}" type="${type}" autocomplete="${autocomplete}" value="${escapeHtml(values[name] ?? "")}" maxlength="200" required${problem ? ` aria-invalid="true" aria-describedby="${name}-problem"` : ""}>${problem ? `<span class="problem" id="${name}-problem">${escapeHtml(problem)}</span>` : ""}</p>`;
  }).join("\n");
  const items = sums.items
    .map(
      ({ product: item, quantity, total }) =>
        `<li><span>${quantity} × ${escapeHtml(item.name)}</span> <span>${money(total)}</span></li>`,
    )
    .join("");
  return page(
    { title: `Checkout | ${SHOP}`, description: "Delivery and payment.", path: "/checkout", ...PRIVATE },
    `<div class="wrap band"><h1>Checkout</h1>
<form class="columns" action="/checkout/place-order" method="post">
<div>
<fieldset><legend>Where shall we send it?</legend><div class="fields">
${fields}
</div></fieldset>
<fieldset><legend>How would you like to pay?</legend>
<label class="choice"><input type="radio" name="payment" value="invoice" checked> Invoice, within 30 days</label>
<label class="choice"><input type="radio" name="payment" value="transfer"> Bank transfer in advance</label>
</fieldset>
</div>
<aside class="panel"><h2>Your order</h2>
${sums.count === 0 ? `<p>Your basket is empty. <a href="/c/shelter">Look around</a></p>` : `<ul class="order-lines">${items}</ul>`}
${summary(sums)}
<p class="pay-note" id="pay-note">A confirmation follows by email.</p>
<button class="button wide" id="place-order"${sums.count === 0 ? " disabled" : ""}>Place order and pay</button>
<p class="small">A demonstration shop: nothing is sent or charged.</p>
</aside>
</form></div>`,
  );
}

export function thanks(order) {
  return page(
    { title: `Thank you | ${SHOP}`, description: "Your order has arrived.", path: "/checkout/thanks", ...PRIVATE },
    `<div class="wrap band narrow" id="order" data-order="${escapeHtml(order.id)}" data-total="${(order.total / 100).toFixed(2)}" data-currency="${CURRENCY}">
<h1>Thank you. Your order is in.</h1>
<p class="lead">Order <b>${escapeHtml(order.id)}</b>, ${order.count} ${order.count === 1 ? "piece" : "pieces"}, ${money(order.total)}.</p>
<p>We pack it by hand and write to you when it leaves. If something is not right, you have sixty days to send it back.</p>
<p><a class="button" href="/">Back to the shop</a></p></div>`,
  );
}

const SLOW = {
  title: `Workshop report | ${SHOP}`,
  description: "What the workshop is doing right now.",
  path: "/slow",
  robots: "noindex, follow",
};

const SLOW_NEWS = [
  "Cutting table: forty Tarn flies laid out, thirty cut.",
  "Sewing: the last Ridge lids of the week are under the needle.",
  "Taping: seams are warm, two tents still to go.",
  "Repairs: a zip from 2011, a strap from last Tuesday.",
  "Packing: the van comes at four, eleven parcels to write.",
];

/** The slow page in the parts in which it is sent. */
export function slowParts() {
  const { top, bottom } = frame(SLOW);
  return [
    `${top}<div class="wrap band narrow"><h1>Workshop report</h1><p class="lead">Read out station by station; this page takes about three seconds on purpose.</p><ol class="report">\n`,
    ...SLOW_NEWS.map((news) => `<li>${escapeHtml(news)}</li>\n`),
    `</ol><p id="slow-end">That was everyone.</p></div>${bottom}`,
  ];
}

function notice({ title, heading, text }) {
  return page(
    { title: `${title} | ${SHOP}`, description: title, path: "/", robots: "noindex" },
    `<div class="wrap band narrow"><h1>${heading}</h1><p class="lead">${text}</p><p><a class="button" href="/">Back to the shop</a></p></div>`,
  );
}

export const notFound = () =>
  notice({
    title: "Page not found",
    heading: "This path leads nowhere",
    text: "The page has moved or never was. The shop is still where it used to be.",
  });

export const failed = () =>
  notice({
    title: "Something went wrong",
    heading: "That was our fault",
    text: "The page could not be made. Please try again in a moment; your basket is safe.",
  });

export const notAllowed = () =>
  notice({
    title: "Not possible here",
    heading: "This page cannot do that",
    text: "The request does not fit this address.",
  });

export const unusable = () =>
  notice({
    title: "Not understood",
    heading: "We did not understand that",
    text: "Something in what was sent is missing or wrong.",
  });

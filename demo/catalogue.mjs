// What the shop sells. Plain data: prices in euro cents, texts in English,
// and the two short German texts that the German home page needs.

export const CURRENCY = "EUR";

/** Delivery in cents, and the order value from which it is free. */
export const DELIVERY = { price: 490, freeFrom: 6000 };

export const CATEGORIES = [
  {
    slug: "shelter",
    name: "Shelter",
    nameDe: "Zelt & Schlafen",
    intro: "Tents, tarps and bags for nights when the forecast was wrong.",
    cover: "fellside-tarp",
  },
  {
    slug: "packs",
    name: "Packs",
    nameDe: "Rucksäcke",
    intro: "Packs that carry well when full and disappear when empty.",
    cover: "haul-45-pack",
  },
  {
    slug: "kitchen",
    name: "Camp kitchen",
    nameDe: "Outdoor-Küche",
    intro: "Small, honest tools for a hot meal and a second cup.",
    cover: "billy-kettle",
  },
  {
    slug: "trail",
    name: "On the trail",
    nameDe: "Unterwegs",
    intro: "Boots, light and water: what you reach for every hour.",
    cover: "wick-lantern",
  },
];

export const PRODUCTS = [
  {
    slug: "tarn-2-tent",
    category: "shelter",
    name: "Tarn 2",
    kind: "Two-person tent",
    kindDe: "Zelt für zwei",
    sku: "LM-1002",
    price: 34900,
    stock: 23,
    rating: 4.8,
    reviews: 213,
    bestseller: true,
    summary: "A three-season dome that two people can pitch in five minutes, inner and fly together.",
    description: [
      "We drew the Tarn 2 on a wet weekend in October and have changed little since. The fly reaches the ground on the windward side, the porch is long enough for two pairs of boots and a stove, and the inner stays attached, so it goes up dry in the rain.",
      "Every seam is taped by hand and every tent is pitched once before it leaves the workshop.",
    ],
    specs: [
      ["Sleeps", "2"],
      ["Weight", "2.1 kg"],
      ["Packed size", "46 × 15 cm"],
      ["Fly", "Recycled ripstop nylon, 3,000 mm"],
      ["Guarantee", "10 years"],
    ],
  },
  {
    slug: "fellside-tarp",
    category: "shelter",
    name: "Fellside",
    kind: "Tarp, 3 × 3 m",
    kindDe: "Tarp, 3 × 3 m",
    sku: "LM-1010",
    price: 11900,
    stock: 41,
    rating: 4.6,
    reviews: 88,
    bestseller: false,
    summary: "Nine square metres of roof with sixteen anchor points and no opinion on how you pitch it.",
    description: [
      "Low between two trees, high over a table, wrapped round a sleeping bag: the Fellside is cut flat, with reinforced tie-outs on every side and a ridge line of its own.",
      "It comes with six pegs, four lines and a card of nine pitches that work.",
    ],
    specs: [
      ["Size", "3 × 3 m"],
      ["Weight", "690 g"],
      ["Fabric", "Silicone-coated nylon, 2,000 mm"],
      ["Tie-outs", "16"],
      ["Guarantee", "10 years"],
    ],
  },
  {
    slug: "drift-sleeping-bag",
    category: "shelter",
    name: "Drift 400",
    kind: "Down sleeping bag",
    kindDe: "Daunenschlafsack",
    sku: "LM-1021",
    price: 22900,
    stock: 17,
    rating: 4.7,
    reviews: 131,
    bestseller: false,
    summary: "Traceable duck down in a roomy mummy cut, comfortable to minus two degrees.",
    description: [
      "Most bags are warm because they are tight. The Drift 400 is warm because the down sits where you lose heat: shoulders, hips and feet. The cut leaves room to turn over.",
      "The zip runs both ways and does not bite. We rewash and refill any Drift for the price of the down.",
    ],
    specs: [
      ["Comfort", "−2 °C"],
      ["Weight", "940 g"],
      ["Fill", "400 g duck down, 700 cuin"],
      ["Fits", "Up to 1.90 m"],
      ["Guarantee", "10 years"],
    ],
  },
  {
    slug: "ridge-28-pack",
    category: "packs",
    name: "Ridge 28",
    kind: "Day pack, 28 litres",
    kindDe: "Tagesrucksack, 28 Liter",
    sku: "LM-2028",
    price: 13900,
    stock: 56,
    rating: 4.9,
    reviews: 342,
    bestseller: true,
    summary: "One big compartment, one pocket you can open with gloves on, and a back that breathes.",
    description: [
      "The Ridge 28 carries a rope, a lunch and a change of plan. The lid lifts off, the hip belt folds away, and the side pockets hold a litre bottle without pushing into your ribs.",
      "Cut from waxed recycled canvas that gets better looking with every scrape.",
    ],
    specs: [
      ["Volume", "28 l"],
      ["Weight", "980 g"],
      ["Fabric", "Waxed recycled canvas"],
      ["Back length", "46–52 cm"],
      ["Guarantee", "10 years"],
    ],
  },
  {
    slug: "haul-45-pack",
    category: "packs",
    name: "Haul 45",
    kind: "Trekking pack, 45 litres",
    kindDe: "Trekkingrucksack, 45 Liter",
    sku: "LM-2045",
    price: 18900,
    stock: 19,
    rating: 4.7,
    reviews: 164,
    bestseller: false,
    summary: "Four days of food and a wet tent, carried on the hips where they belong.",
    description: [
      "An aluminium stay and a belt that really holds put fifteen kilos where you hardly notice them. Roll the mat on top, strap the poles to the side, and reach everything in the front pocket without unpacking.",
      "The back adjusts in two minutes, on you, without tools.",
    ],
    specs: [
      ["Volume", "45 + 8 l"],
      ["Weight", "1.6 kg"],
      ["Carries well to", "17 kg"],
      ["Back length", "42–56 cm"],
      ["Guarantee", "10 years"],
    ],
  },
  {
    slug: "dry-roll-bag",
    category: "packs",
    name: "Dry Roll 15",
    kind: "Roll-top dry bag",
    kindDe: "Packsack, wasserdicht",
    sku: "LM-2115",
    price: 3400,
    stock: 120,
    rating: 4.5,
    reviews: 97,
    bestseller: false,
    summary: "Welded, not sewn. Keeps fifteen litres of dry things dry, in a pack or in a canoe.",
    description: [
      "Roll it three times, clip it shut, forget about it. The light colour makes the sock at the bottom easy to find, and a valve lets the air out when you squeeze.",
    ],
    specs: [
      ["Volume", "15 l"],
      ["Weight", "145 g"],
      ["Fabric", "Welded TPU nylon"],
      ["Guarantee", "10 years"],
    ],
  },
  {
    slug: "ember-stove",
    category: "kitchen",
    name: "Ember",
    kind: "Gas stove",
    kindDe: "Gaskocher",
    sku: "LM-3001",
    price: 7900,
    stock: 34,
    rating: 4.8,
    reviews: 256,
    bestseller: true,
    summary: "Boils half a litre in two and a half minutes, then simmers as low as a candle.",
    description: [
      "A wide burner and four folding arms keep the pan steady on uneven ground. The valve is the good part: fine enough for porridge, quick enough for coffee.",
      "Fits every screw-on cartridge. Sold without gas.",
    ],
    specs: [
      ["Weight", "118 g"],
      ["Output", "2.9 kW"],
      ["Boils 0.5 l in", "2:30 min"],
      ["Packed size", "9 × 6 cm"],
      ["Guarantee", "10 years"],
    ],
  },
  {
    slug: "hearth-mug",
    category: "kitchen",
    name: "Hearth",
    kind: "Enamel mug",
    kindDe: "Emaille-Becher",
    sku: "LM-3010",
    price: 1400,
    stock: 310,
    rating: 4.9,
    reviews: 501,
    bestseller: false,
    summary: "Steel, two coats of enamel, and a handle that takes four fingers in gloves.",
    description: [
      "It will chip one day. Then it is yours. Until then it holds a generous third of a litre, and can stand on the stove to warm up what you forgot.",
    ],
    specs: [
      ["Volume", "350 ml"],
      ["Weight", "165 g"],
      ["Material", "Enamelled steel"],
      ["Dishwasher", "Yes"],
    ],
  },
  {
    slug: "billy-kettle",
    category: "kitchen",
    name: "Billy",
    kind: "Kettle, 1.2 litres",
    kindDe: "Wasserkessel, 1,2 Liter",
    sku: "LM-3015",
    price: 4200,
    stock: 64,
    rating: 4.6,
    reviews: 119,
    bestseller: false,
    summary: "A broad base, a short spout and a beech handle: tea for four, over gas or embers.",
    description: [
      "The Billy is spun from one sheet of stainless steel. The handle locks upright, so it can hang over a fire, and the lid stays on while you pour the last cup.",
    ],
    specs: [
      ["Volume", "1.2 l"],
      ["Weight", "390 g"],
      ["Material", "Stainless steel, beech"],
      ["Guarantee", "10 years"],
    ],
  },
  {
    slug: "cairn-boots",
    category: "trail",
    name: "Cairn",
    kind: "Leather walking boots",
    kindDe: "Wanderstiefel aus Leder",
    sku: "LM-4001",
    price: 20900,
    stock: 28,
    rating: 4.7,
    reviews: 287,
    bestseller: true,
    summary: "One piece of full-grain leather, a sole that can be replaced, and room for your toes.",
    description: [
      "Fewer seams, fewer leaks. The Cairn is lasted wide at the front and firm at the heel, and softens within three walks rather than thirty.",
      "When the sole is gone, send them to us: a resole is 69 euros and they come back greased.",
    ],
    specs: [
      ["Weight", "1.24 kg a pair (42)"],
      ["Upper", "Full-grain leather, 2.4 mm"],
      ["Sizes", "36–48, half sizes"],
      ["Resoling", "Yes"],
      ["Guarantee", "10 years"],
    ],
  },
  {
    slug: "wick-lantern",
    category: "trail",
    name: "Wick",
    kind: "Rechargeable lantern",
    kindDe: "Akku-Laterne",
    sku: "LM-4020",
    price: 4900,
    stock: 75,
    rating: 4.6,
    reviews: 142,
    bestseller: false,
    summary: "Warm light for a whole tent, forty hours on low, and a dimmer you can find in the dark.",
    description: [
      "It looks like an oil lamp and behaves better: no smell, no soot, and a charge that lasts a long weekend. The base charges a phone when it has to.",
    ],
    specs: [
      ["Light", "5–280 lumen, 2,700 K"],
      ["Runs", "4–40 h"],
      ["Charges by", "USB-C"],
      ["Weight", "310 g"],
      ["Guarantee", "10 years"],
    ],
  },
  {
    slug: "brook-flask",
    category: "trail",
    name: "Brook",
    kind: "Steel flask, 0.75 litres",
    kindDe: "Edelstahlflasche, 0,75 Liter",
    sku: "LM-4030",
    price: 2900,
    stock: 0,
    rating: 4.8,
    reviews: 390,
    bestseller: false,
    summary: "Double-walled steel that keeps tea hot to the summit and water cold to the car.",
    description: [
      "The mouth is wide enough for ice and a bottle brush, the cap has no hidden corners, and every part of it can be bought on its own.",
    ],
    specs: [
      ["Volume", "0.75 l"],
      ["Hot for", "14 h"],
      ["Cold for", "24 h"],
      ["Weight", "340 g"],
      ["Guarantee", "10 years"],
    ],
  },
];

const bySlug = new Map(PRODUCTS.map((product) => [product.slug, product]));

export const productBySlug = (slug) => bySlug.get(slug);

export const categoryBySlug = (slug) => CATEGORIES.find((category) => category.slug === slug);

export const productsIn = (category) => PRODUCTS.filter((product) => product.category === category.slug);

/** Products in which every word of the query occurs, in catalogue order. */
export function search(query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  return PRODUCTS.filter((product) => {
    const { name, kind, summary, description } = product;
    const text = [name, kind, summary, categoryBySlug(product.category).name, ...description].join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

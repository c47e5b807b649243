// The wasm assigns as the golden vectors say, which fixtures/buckets.py makes with code of its own.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { documentOf, startWorld } from "./world.mjs";

const { rows } = JSON.parse(readFileSync(new URL("../../fixtures/buckets.json", import.meta.url), "utf8"));

// The vectors whose unit can be a visitor id: only those can be asked for over HTTP.
const VECTORS = rows.filter(([, unit]) => /^[A-Za-z0-9._~-]{8,128}$/.test(unit));
const OF_AN_EXPERIMENT = /^([^/]+)\/([^/]+)\/(\d+)\/(variant|traffic)$/;
const OF_A_LAYER = /^([^/]+)\/layer\/([^/]+)$/;
const OF_A_HOLDOUT = /^([^/]+)\/holdout$/;

let world;
before(async () => {
  world = await startWorld({ document: documentOf([]) });
});
after(() => world.close());

const saltsLike = (shape) => [...new Set(VECTORS.map(([salt]) => salt))].flatMap((salt) => {
  const match = salt.match(shape);
  return match ? [match] : [];
});
const vectorsOf = (salt) => VECTORS.filter(([other]) => other === salt);

/** What the worker tells the client about a visitor, by visitor, a few at a time. */
async function variantsOf(vectors) {
  const told = [];
  for (let from = 0; from < vectors.length; from += 25) {
    const some = vectors.slice(from, from + 25);
    told.push(...(await Promise.all(some.map(([, unit]) => world.ask("/", { method: "HEAD", cookie: `sortition_id=${unit}` })))));
  }
  return told.map((answer) => answer.headers["sortition-variants"]);
}

const running = (rest) => ({ status: "running", pages: ["/"], ...rest });
let checked = 0;

for (const [name, salt, id, iteration, purpose] of saltsLike(OF_AN_EXPERIMENT)) {
  if (purpose === "variant") {
    test(`${name}: of 10,000 equal variants each visitor has the one of their bucket`, async () => {
      const variants = Array.from({ length: 10_000 }, (_, bucket) => ({ id: `v${bucket}`, weight: 1 }));
      await world.publish(documentOf([running({ id, iteration: Number(iteration), variants })], { project: "p", salt }));
      const vectors = vectorsOf(name);
      assert.deepEqual(await variantsOf(vectors), vectors.map(([, , bucket]) => `${id}=v${bucket}`));
      checked += vectors.length;
    });
  } else {
    for (const traffic of [0, 12.34, 50, 99.99, 100]) {
      test(`${name}: ${traffic} % of traffic are the buckets below ${Math.round(traffic * 100)}`, async () => {
        const variants = [{ id: "only", weight: 1 }];
        await world.publish(documentOf([running({ id, iteration: Number(iteration), traffic, variants })], { project: "p", salt }));
        const vectors = vectorsOf(name);
        const expected = vectors.map(([, , bucket]) => (bucket < Math.round(traffic * 100) ? `${id}=only` : undefined));
        assert.deepEqual(await variantsOf(vectors), expected);
      });
    }
  }
}

for (const [name, salt, layer] of saltsLike(OF_A_LAYER)) {
  test(`${name}: of 100 experiments in the layer each visitor is in the one that owns their slot`, async () => {
    const experiments = Array.from({ length: 100 }, (_, i) =>
      running({ id: `e${i}`, layer, slots: [i * 100, i * 100 + 100], variants: [{ id: "only", weight: 1 }] }),
    );
    await world.publish(documentOf(experiments, { project: "p", salt, layers: { [layer]: {} } }));
    const vectors = vectorsOf(name);
    assert.deepEqual(await variantsOf(vectors), vectors.map(([, , bucket]) => `e${Math.floor(bucket / 100)}=only`));
    checked += vectors.length;
  });
}

for (const [name, salt] of saltsLike(OF_A_HOLDOUT)) {
  test(`${name}: a holdout of 25 % is the buckets below 2,500`, async () => {
    const variants = [{ id: "only", weight: 1 }];
    await world.publish(documentOf([running({ id: "e", variants })], { project: "p", salt, holdout: { percent: 25 } }));
    const vectors = vectorsOf(name);
    assert.deepEqual(await variantsOf(vectors), vectors.map(([, , bucket]) => (bucket < 2500 ? undefined : "e=only")));
    checked += vectors.length;
  });
}

test("at least 500 visitors were compared with their exact bucket, slot or holdout", () => {
  assert.ok(checked >= 500, `only ${checked}`);
});

test("the project is the salt where the document names none", async () => {
  const variants = Array.from({ length: 100 }, (_, i) => ({ id: `v${i}`, weight: 1 }));
  await world.publish(documentOf([running({ id: "hero", variants })], { project: "acme-shop" }));
  const vectors = vectorsOf("acme-shop/hero/1/variant");
  assert.deepEqual(await variantsOf(vectors), vectors.map(([, , bucket]) => `hero=v${Math.floor(bucket / 100)}`));
});

// How many events a second the consumer takes: the built worker's own handler in workerd, with D1 and R2 as wrangler keeps
// them locally, a batch after the other of as many messages as the queue delivers at once.

import { startConsumer } from "../tests/edge/consumer.mjs";
import { EVENTS } from "../tests/edge/day.mjs";
import { median } from "./table.mjs";

const BATCH = 100;
const SIZE = 5000;

/** Measures batches for some seconds; the record grows as it would. Returns a line for people and the same as data. */
export async function throughput({ seconds }) {
  const consumer = await startConsumer(["BENCH"]);
  try {
    let number = 0;
    const deliver = async () => {
      const deliveries = Array.from({ length: BATCH }, () => {
        const next = number++;
        return { id: `m${next}`, number: next % SIZE, attempts: 1 };
      });
      const began = performance.now();
      const { acked, counts } = await consumer.ask("deliver", { size: SIZE, place: "BENCH", deliveries });
      if (acked.length !== BATCH) throw new Error(`the consumer took ${acked.length} of ${BATCH}:\n${consumer.log()}`);
      return { milliseconds: performance.now() - began, counts };
    };
    // why: the first calls compile the wasm
    for (let warm = 0; warm < 5; warm++) await deliver();
    const batches = [];
    const began = performance.now();
    // why: SIZE messages are all that are new to the record
    while (performance.now() - began < seconds * 1000 && number + BATCH <= SIZE) batches.push(await deliver());
    const elapsed = (performance.now() - began) / 1000;
    const data = {
      eventsPerSecond: (batches.length * BATCH * EVENTS) / elapsed,
      batchMilliseconds: median(batches.map(({ milliseconds }) => milliseconds)),
      batches: batches.length,
      events: BATCH * EVENTS,
      counts: batches[0].counts,
    };
    const { puts, statements } = data.counts;
    const text = `consumer  ${data.eventsPerSecond.toFixed(0)} events/s, ${data.batchMilliseconds.toFixed(0)} ms for a batch of ${BATCH} messages with ${EVENTS} events each: ${puts} put, ${statements} statements`;
    return { data, text };
  } finally {
    await consumer.close();
  }
}

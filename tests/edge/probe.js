// A module around the worker that lets a test turn the clock, run the schedule and deliver a batch of the queue. Paths
// under `/test/` are its own; everything else is the worker's. Of a request with the header `test-abandoned` nothing goes on
// behind its answer, as if the platform had ended it.

import worker from "index.js";

let ahead = 0;
const now = Date.now.bind(Date);
Date.now = () => now() + ahead;

const CONTROLS = {
  async "/test/clock"(request) {
    ahead = Number(await request.text());
    return new Response("turned");
  },
  async "/test/schedule"(_request, env) {
    const pending = [];
    await worker.scheduled({ cron: "* * * * *", scheduledTime: now() }, env, contextOf(pending));
    const outcomes = await Promise.allSettled(pending);
    return Response.json(outcomes.map(({ status, reason }) => reason?.message ?? status));
  },
  async "/test/deliver"(request, env) {
    const pending = [];
    const answers = [];
    const messages = (await request.json()).map((body, index) => ({
      id: String(index),
      timestamp: new Date(now()),
      attempts: 1,
      body,
      ack: () => answers.push("ack"),
      retry: () => answers.push("retry"),
    }));
    const batch = { queue: "sortition-events", messages, ackAll() {}, retryAll() {} };
    await worker.queue(batch, env, contextOf(pending));
    await Promise.allSettled(pending);
    return Response.json(answers);
  },
};

function contextOf(pending) {
  return { waitUntil: (promise) => pending.push(promise), passThroughOnException() {} };
}

export default {
  fetch(request, env, context) {
    const control = CONTROLS[new URL(request.url).pathname];
    if (control) return control(request, env);
    return worker.fetch(request, env, request.headers.has("test-abandoned") ? contextOf([]) : context);
  },
};

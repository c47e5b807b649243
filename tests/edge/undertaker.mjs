// Takes what arrives in the dead letters and keeps it in KV, so that a test can read it.

export default {
  async queue(batch, env) {
    for (const message of batch.messages) {
      await env.CONFIG.put(`dead:${message.id}`, JSON.stringify(message.body));
      message.ack();
    }
  },
};

// Messages → the queue; what it refuses waits in R2 for the scheduled handler.

/**
 * Sends a message, three times if need be. Resolves to whether it is safe: in the queue, or in R2 until the scheduled
 * handler brings it back. Never rejects.
 */
export async function ship(text, env) {
  let refusal;
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      await env.EVENTS.send(JSON.parse(text), { contentType: "json" });
      return true;
    } catch (error) {
      refusal = error;
      await new Promise((resolve) => setTimeout(resolve, 50 * 4 ** attempt));
    }
  }
  try {
    if (!env.ARCHIVE) throw new Error("there is no ARCHIVE to keep it in");
    const { source, seq } = JSON.parse(text);
    await env.ARCHIVE.put(`spill/${source}-${seq}.json`, text);
    console.error(`sortition: the queue refused a message, it waits in spill/: ${refusal}`);
    return true;
  } catch (error) {
    const { events } = JSON.parse(text);
    console.error(
      `sortition: failed in sending events, ${events.length} lost. The queue: ${refusal}. Spilling them: ${error}`,
    );
    return false;
  }
}

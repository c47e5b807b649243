// Reads a JSON line `{folder, statements}`, runs the statements over the archive in that folder, and writes a JSON line for
// each as it comes: first `{read, incomplete}`, then `{rows}` or `{error}` a statement. Run by engine.rs as `node --eval`.

try {
  const { folder, statements } = JSON.parse(await text(process.stdin));
  const archive = await openArchive(folder);
  try {
    answer({ read: await readArchive(archive), incomplete: archive.incomplete });
    for (const sql of statements)
      try {
        answer({ rows: await archive.rows(sql) });
      } catch (error) {
        answer({ error: `${error?.message ?? error}` });
      }
  } finally {
    archive.close();
  }
} catch (error) {
  answer({ failed: `${error?.message ?? error}` });
}

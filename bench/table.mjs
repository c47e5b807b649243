// Measurements → a table for people and the same as data.

const sorted = (list) => list.toSorted((a, b) => a - b);

export function median(list) {
  const all = sorted(list);
  const half = all.length >> 1;
  return all.length % 2 ? all[half] : (all[half - 1] + all[half]) / 2;
}

const spread = (list) => ({ min: Math.min(...list), median: median(list), max: Math.max(...list) });
const ratio = ({ min, median, max }) => `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`;

function aligned(lines) {
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column]))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** CPU per request, absolute and as a multiple of the floor's in the same round, and how the targets are met. */
export function loadTable(measured) {
  const data = [];
  const lines = [["row", "worker", "CPU µs", "of the floor", "target"]];
  const plain = measured.find(({ row, times }) => times.floor && !row.pace);
  for (const { row, times } of measured) {
    // why: rows without a floor of their own serve the same page as the first that has one
    const floor = times.floor ?? (row.path.startsWith("/image") ? undefined : plain?.times.floor);
    for (const [worker, list] of Object.entries(times)) {
      const ofFloor = floor && spread(list.map((time, round) => time / floor[round]));
      const targets = row.targets
        .filter(([subject]) => subject === worker)
        .map(([, reference, most]) => {
          const value = spread(list.map((time, round) => time / times[reference][round]));
          return { reference, most, ...value, met: value.median <= most };
        });
      data.push({ row: row.name, worker, micros: spread(list), ofFloor, targets, rounds: list });
      const text = targets.map(
        (t) => `${t.met ? "met" : "MISSED"}: ${ratio(t)} of ${t.reference}, at most ${t.most.toFixed(2)}`,
      );
      lines.push([row.name, worker, median(list).toFixed(0), ofFloor ? ratio(ofFloor) : "", text.join("; ")]);
    }
  }
  return { data, text: `\n${aligned(lines)}\n` };
}

/** Process start to first answer. */
export function startTable(times) {
  // what a start may cost, in multiples of the hand-written worker's
  const most = { ours: 1.3, "ours-1000": 1.5, "ours-10000": 2.5 };
  const data = Object.entries(times).map(([worker, list]) => {
    const clock = spread(list.map((start) => start.clock));
    const cpu = spread(list.map((start) => start.cpu));
    const ofHandwritten = spread(list.map((start, round) => start.clock / times.handwritten[round].clock));
    return { worker, clock, cpu, ofHandwritten };
  });
  const lines = [["start to first answer", "ms", "CPU ms", "of the hand-written", "target"]];
  for (const { worker, clock, cpu, ofHandwritten } of data) {
    const target = most[worker]
      ? `${ofHandwritten.median <= most[worker] ? "met" : "MISSED"}: at most ${most[worker].toFixed(2)}`
      : "";
    lines.push([worker, clock.median.toFixed(0), cpu.median.toFixed(0), ratio(ofHandwritten), target]);
  }
  return { data, text: `${aligned(lines)}\n` };
}

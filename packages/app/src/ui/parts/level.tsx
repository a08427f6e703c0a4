/** How a figure came about. */
export type Level = "predicted" | "sampled" | "measured";

const MEANING: Readonly<Record<Level, string>> = {
  predicted: "computed from ranges, nothing was run",
  sampled: "measured on a few samples",
  measured: "measured on all samples",
};

export function LevelBadge({ level }: { level: Level }) {
  return (
    <span class={`badge ${level}`} title={MEANING[level]}>
      {level}
    </span>
  );
}

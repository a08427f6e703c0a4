export interface Fact {
  readonly name: string;
  readonly value: string;
  readonly note?: string | undefined;
}

/** A row of figures. */
export function Facts({ facts }: { facts: readonly Fact[] }) {
  return (
    <dl class="facts">
      {facts.map(({ name, value, note }) => (
        <div class="fact" key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
          {note && <dd class="fact-note">{note}</dd>}
        </div>
      ))}
    </dl>
  );
}

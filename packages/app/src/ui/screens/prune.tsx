import { Head } from "../parts/panel.js";

export function PruneScreen() {
  return <Head title="Prune" />;
}

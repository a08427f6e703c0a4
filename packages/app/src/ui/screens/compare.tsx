import { Head } from "../parts/panel.js";

export function CompareScreen() {
  return <Head title="Compare" />;
}

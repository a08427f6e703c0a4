import { Head } from "../parts/panel.js";

export function EqualizeScreen() {
  return <Head title="Equalize" />;
}

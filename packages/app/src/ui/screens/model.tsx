import { formatBytes, formatCount, formatDb, formatShape } from "../../format.js";
import { selectLayer } from "../../state/selection.js";
import { model } from "../../state/store.js";
import { DataTable } from "../parts/data-table.js";
import { Facts } from "../parts/facts.js";
import { Findings } from "../parts/findings.js";
import { Needs } from "../parts/needs.js";
import { Head, Panel } from "../parts/panel.js";

/** What the model is made of, before anything is run. */
export function ModelScreen() {
  const open = model.value;
  if (!open) {
    return (
      <>
        <Head title="Model" />
        <Needs action="Open a model or the demo" to="start">
          No model is open. Drop an .onnx file anywhere.
        </Needs>
      </>
    );
  }
  const { inspect, layers, inputShape, bytes } = open;
  const worst = [...layers].sort((a, b) => a.weightDb.perTensor - b.weightDb.perTensor)[0];
  return (
    <>
      <Head title="Model">
        What is in the file, and what rounding its weights to 8 bits would do. No image was needed for this.
      </Head>
      <Facts
        facts={[
          { name: "Size", value: formatBytes(bytes) },
          { name: "Parameters", value: formatCount(inspect.parameters) },
          {
            name: "Multiply–accumulates",
            value: inspect.macs === null ? "unknown" : formatCount(inspect.macs),
            note: "one sample",
          },
          { name: "Operators", value: formatCount(inspect.nodes.length), note: `opset ${inspect.opset ?? "unknown"}` },
          { name: "Input", value: formatShape(inputShape) },
          {
            name: "Lowest weight SQNR",
            value: formatDb(worst?.weightDb.perTensor),
            note: worst && `${worst.name}, int8 per tensor, predicted`,
          },
        ]}
      />
      <Findings findings={inspect.findings} />
      <Panel title="Operators">
        <DataTable
          label="Operators"
          columns={[
            { title: "Operator", cell: ({ opType }) => opType },
            { title: "Count", cell: ({ count }) => count },
            { title: "Parameters", cell: ({ parameters }) => formatCount(parameters) },
            { title: "MACs", cell: ({ macs }) => (macs === null ? "?" : formatCount(macs)) },
            { title: "On integers", cell: ({ quantizable }) => quantizable, text: true },
          ]}
          rows={inspect.operators}
          keyOf={({ opType }) => opType}
        />
      </Panel>
      <Panel
        title="Weights"
        level="predicted"
        hint="SQNR: signal over rounding noise of the weights alone; every 6 dB are one bit."
      >
        <DataTable
          label="Weights"
          columns={[
            { title: "Layer", cell: ({ name }) => name },
            { title: "Operator", cell: ({ opType }) => opType, text: true },
            { title: "Shape", cell: ({ shape }) => formatShape(shape) },
            { title: "Range spread", cell: ({ spread }) => `${spread.toFixed(1)}×` },
            { title: "Zero in int8", cell: ({ lostChannels }) => lostChannels },
            { title: "Per tensor", cell: ({ weightDb }) => formatDb(weightDb.perTensor) },
            { title: "Per channel", cell: ({ weightDb }) => formatDb(weightDb.perChannel) },
          ]}
          rows={layers}
          keyOf={({ name }) => name}
          onSelect={({ name }) => selectLayer(name)}
        />
      </Panel>
    </>
  );
}

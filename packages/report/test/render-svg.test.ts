import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CHARTS } from "../src/index.js";
import { renderSvgStack } from "../src/node.js";
import { fixtureReport } from "./fixture.js";
import { drawn, parseXml } from "./helpers.js";

const IMAGES = join(import.meta.dirname, "../../../docs/images");

test.each(readdirSync(IMAGES).filter((name) => name.endsWith(".svg")))("the docs' picture %s is XML", (name) => {
  parseXml(readFileSync(join(IMAGES, name), "utf8"));
});

test("what may not stand in XML is escaped or replaced, in attributes as in text", () => {
  const report = fixtureReport();
  const odd = `<a & "b">\u0000\ud800`;
  const svg = drawn(CHARTS["layer-sizes"].draw([{ ...report.layers[0]!, name: odd }]));
  expect(svg).toContain('data-layer="&lt;a &amp; &quot;b&quot;&gt;\ufffd\ufffd"');
  expect(() => parseXml('<svg a="p < 1" />')).toThrow();
  const confusion = CHARTS.confusion.draw(report.validation!)!;
  expect(confusion.summary).toContain("p < 0.001");
  parseXml(renderSvgStack([confusion, confusion]));
});

import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { fixtureReport } from "../../packages/report/test/fixture.js";
import { type AppUnderTest, goTo, idle, SCREENSHOTS, startApp } from "./app.js";

const DIGITS = readFileSync(join(import.meta.dirname, "../../packages/cli/assets/digits.onnx"));
const ELEMENT = join(import.meta.dirname, "../../packages/report/dist/equant-report.js");
let app: AppUnderTest;
let other: { url: string; server: Server };
beforeAll(async () => {
  app = await startApp();
  // Another site: a page that sends models, a model, and one that says to be large.
  const server = createServer((request, response) => {
    const [path] = request.url!.split("?");
    response.setHeader("Access-Control-Allow-Origin", "*");
    if (path === "/equant-report.js") {
      response.writeHead(200, { "Content-Type": "text/javascript" }).end(readFileSync(ELEMENT));
    } else if (path === "/report.json") response.end(JSON.stringify(fixtureReport()));
    else if (path === "/cut.json") response.end('{"schema":');
    else if (path === "/large.onnx") {
      response.writeHead(200, { "Content-Length": 3e7 });
      response.write(DIGITS);
    } else if (path === "/digits.onnx") response.writeHead(200, { "Content-Length": DIGITS.length }).end(DIGITS);
    else response.writeHead(200, { "Content-Type": "text/html" }).end("<!doctype html><h1>Another site</h1>");
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  other = { url: `http://localhost:${(server.address() as AddressInfo).port}`, server };
});
afterAll(async () => {
  other.server.closeAllConnections();
  other.server.close();
  await app.close();
});

const address = (page: Page) => page.evaluate(() => location.hash);

test("a link to the demo runs it; its address brings back screen, run, layer, colour and order", async () => {
  const page = await app.open({ path: "/?demo=digits" });
  await page.getByText("Top-1, quantized").waitFor({ timeout: 60_000 });
  await idle(page);
  expect(await page.evaluate(() => location.search)).toBe("");
  await page.getByTestId("verdict").getByRole("button", { name: "Show the layer" }).click();
  await page.getByRole("button", { name: "Local", exact: true }).click();
  await page.getByLabel("Colour").selectOption("bits");
  await expect.poll(() => address(page)).toMatch(/^#\/validate\?run=[0-9a-f]{8}&layer=\w+&view=bits&sort=localDb-asc$/);
  const link = await address(page);
  const layer = new URLSearchParams(link.split("?")[1]).get("layer")!;

  await goTo(page, "export");
  await goTo(page, "model");
  await expect.poll(() => address(page)).toMatch(/^#\/model\?layer=/);
  await page.goBack();
  await expect.poll(() => page.getByRole("heading", { level: 1 }).textContent()).toBe("Export");
  await page.goForward();
  await expect.poll(() => page.getByRole("heading", { level: 1 }).textContent()).toBe("Model");

  await page.waitForTimeout(1500);
  await page.goto("about:blank");
  await page.goto(`${app.url}/${link}`);
  await page.getByText("Top-1, quantized").waitFor({ timeout: 30_000 });
  await expect
    .poll(() => page.getByRole("complementary", { name: "Inspector" }).getByRole("heading").first().textContent())
    .toBe(layer);
  expect(await page.getByLabel("Colour").inputValue()).toBe("bits");
  await page.getByRole("button", { name: "Local ↑" }).waitFor();
});

test("a link to a model of another site: fetched by the entry page, asked before a large one", async () => {
  const page = await app.open();
  await page.goto(`${app.url}/?model=${encodeURIComponent(`${other.url}/large.onnx`)}`);
  await page.getByText(/a file of 30\.00 MB\. Download it\?/).waitFor();
  const recipe = Buffer.from('{"steps":[{"use":"fold"},{"use":"quantize","granularity":"per-channel"}]}').toString(
    "base64url",
  );
  await page.goto(`${app.url}/?model=${encodeURIComponent(`${other.url}/digits.onnx`)}#recipe=${recipe}`);
  // The entry page names the model too; the app goes to its screen once it is open.
  await page.waitForURL(/#\/model$/);
  await page.getByRole("heading", { name: "Model", level: 1 }).waitFor();
  await page.getByText("digits.onnx").first().waitFor();
  await idle(page);
  await goTo(page, "data");
  await page.getByRole("button", { name: "Use the demo digits" }).click();
  await idle(page);
  await goTo(page, "quantize");
  expect(await page.getByLabel("Granularity").inputValue()).toBe("per-channel");
  await page.goto(`${app.url}/open.html?model=ftp://x/y.onnx`);
  await page.getByText(/over https only/).waitFor();
});

test("another page sends a model: PING, PONG, a question, and only then is it opened", async () => {
  const page = await app.open();
  await page.goto(other.url);
  const opening = page.waitForEvent("popup");
  const answered = page.evaluate(
    ([url, bytes]) =>
      new Promise<string>((resolve) => {
        const opened = window.open(`${url}/open.html`)!;
        const timer = setInterval(() => opened.postMessage("PING", "*"), 100);
        addEventListener("message", ({ data }) => {
          if (data !== "PONG") return;
          clearInterval(timer);
          opened.postMessage({ model: "not bytes" }, "*");
          opened.postMessage({ model: Uint8Array.from(bytes as number[]).buffer, name: "sent.onnx" }, "*");
          resolve(data);
        });
      }),
    [app.url, [...DIGITS]] as const,
  );
  const popup = await opening;
  expect(await answered).toBe("PONG");
  await popup.getByText(`Open the model that ${other.url} sent?`).waitFor();
  await popup.getByRole("button", { name: "Open it" }).click();
  await popup.getByRole("heading", { name: "Model", level: 1 }).waitFor();
  await popup.getByText("sent.onnx").first().waitFor();

  // In a frame the app itself is asked.
  await page.setContent(`<iframe src="${app.url}/" style="width:900px;height:700px"></iframe>`);
  const frame = page.frameLocator("iframe");
  await frame.getByRole("heading", { level: 1 }).waitFor();
  await page.evaluate(
    (bytes) => {
      const target = document.querySelector("iframe")!.contentWindow!;
      target.postMessage({ model: new Uint8Array(0).buffer }, "*");
      target.postMessage({ model: Uint8Array.from(bytes).buffer, name: "framed.onnx" }, "*");
    },
    [...DIGITS],
  );
  await frame.getByRole("dialog", { name: /Open the model that http:\/\/localhost/ }).waitFor();
  await frame.getByRole("button", { name: "Leave it" }).click();
  await frame.getByText("Make a network small").waitFor();
});

test("<equant-report> draws a report in any page with one script, and follows layer and theme", async () => {
  const page = await app.browser.newPage({ viewport: { width: 900, height: 700 } });
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(other.url);
  await page.setContent(`<!doctype html><script type="module" src="/equant-report.js"></script>
    <equant-report src="report.json" theme="dark"></equant-report><equant-report id="b" src="cut.json"></equant-report>`);
  const element = page.locator("equant-report").first();
  await element.locator("svg.equant-chart").first().waitFor();
  const charts = await element.locator("figure").count();
  expect(charts).toBeGreaterThan(8);
  await element.locator("select").selectOption({ index: 1 });
  const layer = await element.getAttribute("layer");
  await element.locator("figure[data-chart=weight-ranges]").getByText(layer!).first().waitFor();
  await element.getByText("Numbers").first().click();
  expect(await element.locator("table").first().locator("tbody tr").count()).toBeGreaterThan(1);
  await page.screenshot({ path: join(SCREENSHOTS, "element.png") });
  await element.evaluate((node) => node.setAttribute("charts", "layerSizes nothing"));
  await expect.poll(() => element.locator("figure").count()).toBe(1);
  await element.getByText(/nothing is none of/).waitFor();
  await page
    .locator("#b")
    .getByText(/cannot be shown: cut\.json: not JSON/)
    .waitFor();
  expect(complaints).toEqual([]);
  await page.close();
});

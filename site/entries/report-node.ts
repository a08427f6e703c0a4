/**
 * The report as a page, and charts as SVG, in Node.
 * @module @equant/report/node
 */
export * from "@equant/report/node";

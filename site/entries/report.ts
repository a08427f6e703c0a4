/**
 * The report of a run: its schema, and its charts.
 * @module @equant/report
 */
export * from "@equant/report";

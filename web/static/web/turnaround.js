// Draws each figure's chart from the table that it names: the table is the data, and stays readable without.
import { all, first, make } from "./dom.js";

/** @type {[string, number][]} */
const UNITS = [
  ["d", 86400],
  ["h", 3600],
  ["min", 60],
  ["s", 1],
];
const HEIGHT = 28; // of a bar's row, in pixels

/**
 * A column of a table: its heading, its values and how the table words them.
 * @typedef {{ name: string, values: (number | null)[], texts: string[] }} Series
 */
/**
 * What a chart shows. Where no row has enough for a percentile, `isTimed` is false and counts are drawn.
 * @typedef {{ isTimed: boolean, labels: string[], counts: string[], series: Series[] }} ChartData
 */

/**
 * The colour that a CSS variable has in this theme. A probe resolves light-dark().
 * @param {string} name
 */
function colour(name) {
  const probe = make("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

/** @param {Element} element */
const textOf = (element) => (element.textContent ?? "").trim();

/**
 * The rows of a table: their labels, how many each counts, and the values of the columns marked as series.
 * @param {HTMLTableElement} table
 * @returns {ChartData}
 */
function read(table) {
  const heads = all("thead th, thead td", HTMLTableCellElement, table);
  const rows = [...table.tBodies[0].rows];
  const isTimed = table.querySelector("[data-value]:not([data-value=''])") !== null;
  const mark = isTimed ? "series" : "count";
  const columns = heads.flatMap((head, place) => (mark in head.dataset ? [place] : []));
  /** @param {HTMLTableCellElement} cell */
  const number = (cell) => {
    if (!isTimed) return Number(cell.textContent);
    return cell.dataset.value ? Number(cell.dataset.value) : null;
  };
  return {
    isTimed,
    labels: rows.map((row) => textOf(row.cells[0])),
    counts: rows.map((row) => first("[data-n]", HTMLElement, row).textContent),
    series: columns.map((place) => ({
      name: textOf(heads[place]),
      values: rows.map((row) => number(row.cells[place])),
      texts: rows.map((row) => textOf(row.cells[place])),
    })),
  };
}

/**
 * The largest unit that the values fill, and its size.
 * @param {ChartData} data
 * @returns {[string, number]}
 */
function unit(data) {
  if (!data.isTimed) return ["n", 1];
  const most = Math.max(0, ...data.series.flatMap((one) => one.values.map((value) => value ?? 0)));
  return UNITS.find(([, size]) => most >= 3 * size) ?? ["s", 1];
}

/**
 * The two axes: of what is compared, and of the values.
 * @param {ChartData} data
 * @param {string} name the unit's
 */
function axes(data, name) {
  const axisLabel = { color: colour("--quiet") };
  const lineStyle = { color: colour("--line") };
  return {
    labels: { type: "category", data: data.labels, axisLabel, axisLine: { lineStyle } },
    values: {
      type: "value",
      min: 0,
      minInterval: data.isTimed ? 0 : 1,
      name,
      nameTextStyle: axisLabel,
      axisLabel,
      splitLine: { lineStyle },
    },
  };
}

/**
 * What is said of the row under the pointer.
 * @param {ChartData} data
 */
function tooltip(data) {
  return {
    trigger: "axis",
    renderMode: "richText",
    confine: true,
    backgroundColor: colour("--raised"),
    borderColor: colour("--line"),
    textStyle: { color: colour("--text"), fontSize: 12 },
    formatter: (/** @type {{ dataIndex: number }[]} */ [point]) => {
      const place = point.dataIndex;
      const values = data.series.map((one) => `${one.name}: ${one.texts[place]}`);
      return [`${data.labels[place]}, n = ${data.counts[place]}`, ...values].join("\n");
    },
  };
}

/**
 * @param {string} kind
 * @param {ChartData} data
 * @param {number} size of the unit
 */
function series(kind, data, size) {
  const colours = data.isTimed ? ["--link", "--warn"] : ["--matched", "--warn", "--edge"];
  return data.series.map((one, place) => ({
    name: one.name,
    type: data.isTimed ? kind : "bar",
    stack: data.isTimed ? undefined : "n",
    data: one.values.map((value) => (value === null ? null : value / size)),
    color: place < colours.length ? colour(colours[place]) : undefined,
    symbol: place ? "rect" : "circle",
    symbolSize: 7,
    barMaxWidth: 10,
    lineStyle: { type: place ? "dashed" : "solid" },
    itemStyle: { decal: { symbol: "none" } },
  }));
}

/**
 * What ECharts is to draw.
 * @param {string} kind
 * @param {ChartData} data
 */
function option(kind, data) {
  const [name, size] = unit(data);
  const { labels, values } = axes(data, name);
  const isLine = kind === "line";
  return {
    animation: false,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    aria: { enabled: true },
    legend: { top: 0, right: 0, textStyle: { color: colour("--text") }, itemHeight: 8 },
    grid: { left: 8, right: 32, top: isLine ? 32 : 28, bottom: isLine ? 4 : 8, containLabel: true },
    tooltip: tooltip(data),
    xAxis: isLine ? labels : { ...values, nameLocation: "end" },
    yAxis: isLine ? values : { ...labels, inverse: true },
    series: series(kind, data, size),
  };
}

/**
 * Draw a figure's chart, and again when the theme changes.
 * @param {HTMLElement} figure
 */
function draw(figure) {
  const data = read(first(`#${figure.dataset.table}`, HTMLTableElement));
  const kind = figure.dataset.chart ?? "";
  const caption = first("figcaption", HTMLElement, figure);
  const place = make("div", { className: "chart" });
  figure.append(place);
  if (kind === "bar") place.style.height = `${52 + HEIGHT * data.labels.length}px`;
  const chart = echarts.init(place, null, { renderer: "svg" });
  // A picture that knows its own size fits a printed page.
  chart.on("finished", () => {
    const size = `0 0 ${chart.getWidth()} ${chart.getHeight()}`;
    first("svg", SVGSVGElement, place).setAttribute("viewBox", size);
  });
  chart.setOption(option(kind, data));
  if (!data.isTimed) caption.append(" Too few for any: how many began is shown.");
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", `${caption.textContent} The table below has the values.`);
  new ResizeObserver(() => chart.resize()).observe(place);
  const theme = matchMedia("(prefers-color-scheme: dark)");
  theme.addEventListener("change", () => chart.setOption(option(kind, data)));
}

for (const figure of all("figure[data-chart]")) draw(figure);

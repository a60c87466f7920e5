// Draws each figure's chart from the table that it names: the table is the data, and stays readable without.
const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
const HEIGHT = 28; // of a bar's row, in pixels

// The colour that a CSS variable has in this theme. A probe resolves light-dark().
function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

// The rows of a table: their labels, how many each counts, and the values of the columns marked as series. Where
// none has enough for a percentile, the counts are drawn.
function read(table) {
  const heads = [...table.tHead.rows[0].cells];
  const rows = [...table.tBodies[0].rows];
  const isTimed = table.querySelector("[data-value]:not([data-value=''])") !== null;
  const mark = isTimed ? "series" : "count";
  const columns = heads.flatMap((head, place) => (mark in head.dataset ? [place] : []));
  const number = (cell) => (!isTimed ? Number(cell.textContent) : cell.dataset.value ? Number(cell.dataset.value) : null);
  return {
    isTimed,
    labels: rows.map((row) => row.cells[0].textContent.trim()),
    counts: rows.map((row) => row.querySelector("[data-n]").textContent),
    series: columns.map((place) => ({
      name: heads[place].textContent.trim(),
      values: rows.map((row) => number(row.cells[place])),
      texts: rows.map((row) => row.cells[place].textContent.trim()),
    })),
  };
}

function unit(data) {
  if (!data.isTimed) return ["n", 1];
  const most = Math.max(0, ...data.series.flatMap((one) => one.values.map((value) => value ?? 0)));
  return UNITS.find(([, size]) => most >= 3 * size) ?? UNITS.at(-1);
}

function option(kind, data) {
  const [name, size] = unit(data);
  const text = colour("--text");
  const quiet = colour("--quiet");
  const line = colour("--line");
  const labels = { type: "category", data: data.labels, axisLabel: { color: quiet }, axisLine: { lineStyle: { color: line } } };
  const values = {
    type: "value", min: 0, minInterval: data.isTimed ? 0 : 1, name, nameTextStyle: { color: quiet }, axisLabel: { color: quiet }, splitLine: { lineStyle: { color: line } },
  };
  const colours = data.isTimed ? [colour("--link"), colour("--warn")] : [colour("--matched"), colour("--warn"), colour("--edge")];
  const isLine = kind === "line";
  return {
    animation: false,
    textStyle: { fontFamily: getComputedStyle(document.body).fontFamily },
    aria: { enabled: true },
    legend: { top: 0, right: 0, textStyle: { color: text }, itemHeight: 8 },
    grid: { left: 8, right: 32, top: isLine ? 32 : 28, bottom: isLine ? 4 : 8, containLabel: true },
    tooltip: {
      trigger: "axis", renderMode: "richText", confine: true,
      backgroundColor: colour("--raised"), borderColor: line, textStyle: { color: text, fontSize: 12 },
      formatter: (points) => {
        const place = points[0].dataIndex;
        const told = data.series.map((one) => `${one.name}: ${one.texts[place]}`);
        return [`${data.labels[place]}, n = ${data.counts[place]}`, ...told].join("\n");
      },
    },
    xAxis: isLine ? labels : { ...values, nameLocation: "end" },
    yAxis: isLine ? values : { ...labels, inverse: true },
    series: data.series.map((one, place) => ({
      name: one.name, type: data.isTimed ? kind : "bar", stack: data.isTimed ? undefined : "n", data: one.values.map((value) => (value === null ? null : value / size)),
      color: colours[place], symbol: place ? "rect" : "circle", symbolSize: 7, barMaxWidth: 10,
      lineStyle: { type: place ? "dashed" : "solid" }, itemStyle: { decal: { symbol: "none" } },
    })),
  };
}

function draw(figure) {
  const table = document.getElementById(figure.dataset.table);
  const data = read(table);
  const kind = figure.dataset.chart;
  const place = document.createElement("div");
  place.className = "chart";
  figure.append(place);
  if (kind === "bar") place.style.height = `${52 + HEIGHT * data.labels.length}px`;
  const chart = echarts.init(place, null, { renderer: "svg" });
  // A picture that knows its own size fits a printed page.
  chart.on("finished", () => place.querySelector("svg").setAttribute("viewBox", `0 0 ${chart.getWidth()} ${chart.getHeight()}`));
  chart.setOption(option(kind, data));
  if (!data.isTimed) figure.querySelector("figcaption").append(" Too few for any: how many began is shown.");
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", `${figure.querySelector("figcaption").textContent} The table below has the values.`);
  new ResizeObserver(() => chart.resize()).observe(place);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.setOption(option(kind, data)));
}

for (const figure of document.querySelectorAll("figure[data-chart]")) draw(figure);

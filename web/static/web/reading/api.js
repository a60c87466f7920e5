// Calls of the REST API with the session of the page. What fails is a Problem: a status, words, and what changed.
export class Problem extends Error {
  constructor(status, body = {}) {
    super(body.detail ?? (status ? `The server answered ${status}.` : "The server can't be reached."));
    Object.assign(this, {
      status,
      body,
      code: body.code ?? "",
      changed: body.changed ?? {},
      blocks: body.blocks ?? [],
    });
  }
  // The same request may go through later.
  get isPassing() {
    return !this.status || this.status >= 500 || this.status === 429;
  }
}

export const cookie = (name) =>
  document.cookie
    .split("; ")
    .find((one) => one.startsWith(`${name}=`))
    ?.split("=")[1] ?? "";

export async function call(method, path, body, { headers = {}, isLive = false, keepalive = false } = {}) {
  const isRaw = body instanceof ArrayBuffer || ArrayBuffer.isView(body);
  const options = {
    method,
    keepalive,
    headers: { Accept: "application/json", "X-CSRFToken": cookie("csrftoken"), ...headers },
  };
  // What a page asks by itself does not keep the session alive.
  if (isLive) options.headers["X-Live"] = "heartbeat";
  if (body !== undefined) {
    options.body = isRaw ? body : JSON.stringify(body);
    options.headers["Content-Type"] = isRaw ? "application/octet-stream" : "application/json";
  }
  let response;
  try {
    response = await fetch(`/api/v1${path}`, options);
  } catch {
    throw new Problem(0);
  }
  const text = await response.text().catch(() => "");
  let answer = {};
  try {
    answer = JSON.parse(text);
  } catch {
    /* a proxy's page */
  }
  if (response.status === 401) dispatchEvent(new Event("session-ended"));
  if (!response.ok) throw new Problem(response.status, answer);
  return answer;
}

export const data = JSON.parse(document.getElementById("page-data")?.textContent ?? "{}");

export const clock = (at = new Date()) => at.toLocaleTimeString("en-GB", { timeZone: data.zone });

export async function sha256(bytes) {
  if (!crypto.subtle) return "";
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return [...digest].map((one) => one.toString(16).padStart(2, "0")).join("");
}

// Only in secure contexts is there crypto.randomUUID.
export function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = [...bytes].map((one) => one.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

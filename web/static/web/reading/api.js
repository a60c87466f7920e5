// Calls of the REST API with the session of the page.

/** What failed: a status (0 without an answer), words, and what changed meanwhile. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {Record<string, any>} [body] the answer
   */
  constructor(status, body = {}) {
    super(body.detail ?? (status ? `The server answered ${status}.` : "The server can't be reached."));
    this.status = status;
    /** @type {string} */
    this.code = body.code ?? "";
    /** @type {Record<string, any>} */
    this.changed = body.changed ?? {};
    /** @type {import("./sign_blocks.js").Block[]} */
    this.blocks = body.blocks ?? [];
  }

  /** Whether the same request may go through later. */
  get isPassing() {
    return !this.status || this.status >= 500 || this.status === 429;
  }
}

/**
 * What was thrown, as a problem.
 * @param {unknown} error
 */
export const problemOf = (error) => (error instanceof Problem ? error : new Problem(0));

/**
 * What was thrown, in words.
 * @param {unknown} error
 */
export const wordsOf = (error) => (error instanceof Error ? error.message : String(error));

/** @param {string} name */
export function cookie(name) {
  const found = document.cookie.split("; ").find((one) => one.startsWith(`${name}=`));
  return found?.split("=")[1] ?? "";
}

/**
 * How to call; what a page asks by itself, `isLive`, does not keep the session alive.
 * @typedef {{ headers?: Record<string, string>, isLive?: boolean, keepalive?: boolean }} CallOptions
 */

/**
 * Call the API; a Problem where it refuses or can't be reached.
 * @param {string} method
 * @param {string} path below the API's
 * @param {unknown} [body] bytes as they are, or what goes as JSON
 * @param {CallOptions} [options]
 * @returns {Promise<any>}
 */
export async function call(method, path, body, { headers = {}, isLive = false, keepalive = false } = {}) {
  const response = await fetch(`/api/v1${path}`, {
    method,
    keepalive,
    headers: {
      Accept: "application/json",
      "X-CSRFToken": cookie("csrftoken"),
      ...headers,
      ...(isLive ? { "X-Live": "heartbeat" } : {}),
      ...(body === undefined
        ? {}
        : { "Content-Type": isBytes(body) ? "application/octet-stream" : "application/json" }),
    },
    ...(body === undefined ? {} : { body: isBytes(body) ? body : JSON.stringify(body) }),
  }).catch(() => {
    throw new Problem(0);
  });
  const answer = parsed(await response.text().catch(() => ""));
  if (response.status === 401) dispatchEvent(new Event("session-ended"));
  if (!response.ok) throw new Problem(response.status, answer);
  return answer;
}

/**
 * @param {unknown} body
 * @returns {body is Uint8Array<ArrayBuffer>}
 */
const isBytes = (body) => body instanceof Uint8Array;

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {}; // a proxy's page
  }
}

// The one form in which scripts show times; the server writes days (ledger/written_dates.py).

/**
 * A time of day, 10:43:07 whatever the browser's language.
 * @param {Date} at
 * @param {Intl.DateTimeFormatOptions} [options]
 */
export function timeOfDay(at, options = {}) {
  return at.toLocaleTimeString("en-GB", options);
}

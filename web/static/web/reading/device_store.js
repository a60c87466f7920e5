// What this device keeps until the server has it: texts (by key) and dictations (blocks of sound by number).
// Everything is its user's; another user of the device is shown nothing of it.

/**
 * A text that the server does not have yet.
 * @typedef {{ key: string, user: string, sections: any, revision: number, at: number }} KeptText
 */
/**
 * A second of sound, 16 kHz, 16 bit.
 * @typedef {{ uuid: string, number: number, pcm: ArrayBuffer }} Block
 */
/** @typedef {import("./dictation.js").Take} Take */

/** @type {Promise<IDBDatabase>} */
const opened = new Promise((resolve, reject) => {
  const request = indexedDB.open("reading", 1);
  request.onupgradeneeded = () => {
    request.result.createObjectStore("texts", { keyPath: "key" });
    request.result.createObjectStore("dictations", { keyPath: "uuid" });
    request.result.createObjectStore("blocks", { keyPath: ["uuid", "number"] });
  };
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});
opened.catch(() => {});

/**
 * @param {string} store
 * @param {IDBTransactionMode} mode
 * @param {(rows: IDBObjectStore) => IDBRequest} act
 * @returns {Promise<any>} when it is on the disk
 */
async function within(store, mode, act) {
  const database = await opened;
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(store, mode, { durability: "strict" });
    const request = act(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

/** @param {KeptText} text */
export const putText = (text) => within("texts", "readwrite", (rows) => rows.put(text));

/**
 * @param {string} key
 * @returns {Promise<KeptText | undefined>}
 */
export const getText = (key) => within("texts", "readonly", (rows) => rows.get(key));

/** @param {string} key */
export const removeText = (key) => within("texts", "readwrite", (rows) => rows.delete(key));

/** @returns {Promise<KeptText[]>} */
export const allTexts = () => within("texts", "readonly", (rows) => rows.getAll());

/** @param {Take} take */
export const putTake = (take) => within("dictations", "readwrite", (rows) => rows.put(take));

/** @returns {Promise<Take[]>} */
export const allTakes = () => within("dictations", "readonly", (rows) => rows.getAll());

/** @param {Block} block */
export const putBlock = (block) => within("blocks", "readwrite", (rows) => rows.put(block));

/**
 * The blocks of a dictation, from one number up to another.
 * @param {string} uuid
 * @param {number} [from]
 * @param {number} [end]
 * @returns {Promise<Block[]>}
 */
export function getBlocks(uuid, from = 0, end = Infinity) {
  const range = IDBKeyRange.bound([uuid, from], [uuid, end], false, true);
  return within("blocks", "readonly", (rows) => rows.getAll(range));
}

/**
 * Drop a dictation with its sound.
 * @param {string} uuid
 */
export async function forgetTake(uuid) {
  const range = IDBKeyRange.bound([uuid, 0], [uuid, Infinity]);
  await within("blocks", "readwrite", (rows) => rows.delete(range));
  await within("dictations", "readwrite", (rows) => rows.delete(uuid));
}

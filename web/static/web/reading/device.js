// What this device keeps until the server has it: texts (by key) and dictations (blocks of sound by number).
// Everything is its user's; another user of the device is shown nothing of it.
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

async function within(store, mode, act) {
  const database = await opened;
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(store, mode, { durability: "strict" });
    const request = act(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request?.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

export const put = (store, value) => within(store, "readwrite", (rows) => rows.put(value));
export const get = (store, key) => within(store, "readonly", (rows) => rows.get(key));
export const all = (store) => within(store, "readonly", (rows) => rows.getAll());
export const remove = (store, key) => within(store, "readwrite", (rows) => rows.delete(key));

const ofDictation = (uuid) => IDBKeyRange.bound([uuid, 0], [uuid, Infinity]);
export const blocks = (uuid, first = 0, end = Infinity) =>
  within("blocks", "readonly", (rows) =>
    rows.getAll(IDBKeyRange.bound([uuid, first], [uuid, end], false, true)),
  );

export async function forget(uuid) {
  await within("blocks", "readwrite", (rows) => rows.delete(ofDictation(uuid)));
  await remove("dictations", uuid);
}

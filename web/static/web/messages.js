// Messages: copy a whole message, open segments when they are asked for, check a repair while it is typed.

document.addEventListener("click", async (event) => {
  const copy = event.target.closest?.("button[data-copy]");
  if (copy) {
    const said = copy.firstChild.textContent;
    try {
      const response = await fetch(copy.dataset.copy);
      if (!response.ok) throw new Error(String(response.status));
      await navigator.clipboard.writeText(await response.text());
      copy.firstChild.textContent = "Copied ";
    } catch {
      copy.firstChild.textContent = "Could not be copied ";
    }
    setTimeout(() => { copy.firstChild.textContent = said; }, 2000);
  }
  const tree = event.target.closest?.("button[data-tree]");
  if (tree) {
    const isOpen = tree.dataset.tree === "open";
    for (const one of document.querySelectorAll(".tree details")) if (!isOpen || !one.dataset.src) one.open = isOpen;
  }
});

// `toggle` doesn't bubble, so it is caught on its way down.
document.addEventListener("toggle", async (event) => {
  const { target } = event;
  const url = target.dataset?.src;
  if (!url || !target.open) return;
  delete target.dataset.src;
  const place = target.querySelector("p");
  try {
    const response = await fetch(url);
    if (!response.ok) throw new Error(String(response.status));
    const table = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("table.fields");
    place.replaceWith(table);
  } catch {
    target.dataset.src = url;
    place.textContent = "Its fields can't be read now. Close it and open it again.";
  }
}, true);

for (const select of document.querySelectorAll("form[data-filters] select")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

const form = document.querySelector("form[data-check]");
if (form) {
  let timer = 0;
  let number = 0;
  const checkNow = async () => {
    const mine = ++number;
    const response = await fetch(form.dataset.check, { method: "POST", body: new URLSearchParams(new FormData(form)) }).catch(() => null);
    if (mine !== number || !response?.ok || new URL(response.url).pathname === "/sign-in") return;
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("check");
    if (fresh && mine === number) document.getElementById("check").replaceWith(fresh);
  };
  form.text.addEventListener("input", () => {
    document.getElementById("check").classList.add("is-old");
    clearTimeout(timer);
    timer = setTimeout(checkNow, 400);
  });
  form.querySelector("[data-check-now]").addEventListener("click", (event) => {
    event.preventDefault();
    checkNow();
  });
}

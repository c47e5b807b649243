// Progressive: shows how much is in the basket, and adds to it without leaving
// the page. The shop is complete without this file.

const count = document.querySelector("#basket-count");

function show(pieces) {
  count.textContent = pieces > 0 ? String(pieces) : "";
  count.hidden = !(pieces > 0);
}

show(Number(/(?:^|; )shop_count=(\d+)/.exec(document.cookie)?.[1] ?? 0));

const form = document.querySelector("#add-to-basket");
form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const data = new FormData(form);
  try {
    const answer = await fetch("/api/cart", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ product: data.get("product"), quantity: Number(data.get("quantity")) }),
    });
    if (!answer.ok) throw new Error(`basket answered ${answer.status}`);
    show((await answer.json()).count);
    document.querySelector("#added").hidden = false;
  } catch {
    form.submit();
  }
});

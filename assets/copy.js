/* What is copied from a page has its formulas as LaTeX. */
addEventListener("copy", (event) => {
  const chosen = getSelection();
  if (!chosen.rangeCount || chosen.isCollapsed) return;
  const range = chosen.getRangeAt(0), around = range.commonAncestorContainer;
  const formula = (around.closest ? around : around.parentElement).closest("[data-tex]");
  const copy = document.createElement("div");
  copy.append(formula ? formula.cloneNode(true) : range.cloneContents());
  if (!copy.querySelector("[data-tex]")) return;
  for (const made of copy.querySelectorAll("[data-tex]")) {
    const sign = made.tagName === "DIV" ? "$$" : "$";
    made.textContent = sign + made.dataset.tex + sign;
  }
  copy.style.cssText = "position: fixed; left: -9999px; width: 60em";
  document.body.append(copy);  // innerText needs a layout
  event.clipboardData.setData("text/plain", copy.innerText.trim());
  copy.remove();
  event.preventDefault();
});

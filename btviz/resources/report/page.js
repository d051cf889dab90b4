"use strict";
function save(name, content, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button[data-save]");
  if (!button) return;
  const figure = button.closest("figure");
  if (button.dataset.save.endsWith(".svg")) {
    save(button.dataset.save, new XMLSerializer().serializeToString(figure.querySelector("svg")), "image/svg+xml");
  } else {
    save(button.dataset.save, figure.querySelector(`[data-name="${button.dataset.save}"]`).textContent, "text/csv");
  }
});
for (const button of document.querySelectorAll("button[data-save]")) button.hidden = false;

// The queue by keyboard: a key presses the button, or follows the link, that has it.

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.target.matches("input:not([type=hidden]), textarea, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const key = event.key.toLowerCase();
  const focus = document.querySelector(`[data-focus="${CSS.escape(key)}"]`);
  if (focus) {
    event.preventDefault();
    focus.focus();
    return;
  }
  const meant = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (meant && !meant.disabled && !event.repeat) {
    event.preventDefault();
    meant.click();
  }
});

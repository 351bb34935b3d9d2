// Runs before the first paint, so that a chosen theme does not flash.
"use strict";
(() => {
  const chosen = (() => { try { return localStorage.getItem("flopwise.theme"); } catch { return null; } })();
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();

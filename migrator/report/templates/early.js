
// Before anything is painted: the theme that the reader chose, if they chose one.
(() => {
  "use strict";
  try {
    const theme = localStorage.getItem("migrator-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch {
    // No storage: the system's theme it is.
  }
})();

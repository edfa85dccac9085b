// Lets pytest-html's table be worked with a keyboard, for it listens to clicks alone.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("#environment ul > ul").forEach((list) => list.remove()); // it never closes its lists
  const asButton = (element) => {
    element.tabIndex = 0;
    element.addEventListener("keydown", (event) => {
      if (event.target === element && (event.key === "Enter" || event.key === " ")) {
        event.preventDefault();
        element.click();
      }
    });
  };
  const reach = () => {
    document
      .querySelectorAll("#results-table th.sortable:not([tabindex]), #results-table td.col-result:not([tabindex])")
      .forEach(asButton);
    document.querySelectorAll("#results-table .log:not([tabindex])").forEach((log) => (log.tabIndex = 0));
  };
  reach();
  new MutationObserver(reach).observe(document.getElementById("results-table"), { childList: true, subtree: true });
});

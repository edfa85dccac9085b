// Folds pytest-html's table and makes it usable with a keyboard.
document.addEventListener("DOMContentLoaded", () => {
  const table = document.getElementById("results-table");
  const tests = document.createElement("details");
  tests.id = "all-tests";
  tests.innerHTML = '<summary>All tests with their logs</summary><div class="scroll" role="region" aria-label="All tests" tabindex="0"></div>';
  table.before(tests);
  document.querySelectorAll(".run-count, p.filter, .controls").forEach((part) => tests.lastElementChild.before(part));
  tests.lastElementChild.append(table);

  const makeButtons = () => {
    tests.querySelectorAll("th.sortable:not([tabindex]), td.col-result:not([tabindex])").forEach((element) => {
      element.tabIndex = 0;
      element.addEventListener("keydown", (event) => {
        if (event.target !== element || ![" ", "Enter"].includes(event.key)) return;
        event.preventDefault();
        element.click();
      });
    });
    tests.querySelectorAll(".log:not([tabindex])").forEach((log) => (log.tabIndex = 0));
  };
  makeButtons();
  // Each click makes the table anew.
  new MutationObserver(makeButtons).observe(tests, { childList: true, subtree: true });
});

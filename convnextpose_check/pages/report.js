// Folds pytest-html's table, lets it be worked with a keyboard, and leads from a check to its log.
document.addEventListener("DOMContentLoaded", () => {
  const table = document.getElementById("results-table");
  const tests = document.createElement("details");
  tests.id = "all-tests";
  tests.innerHTML = '<summary></summary><div class="scroll" role="region" aria-label="All tests" tabindex="0"></div>';
  tests.firstElementChild.textContent = "All tests with their logs";
  table.before(tests);
  document.querySelectorAll(".run-count, p.filter, .controls").forEach((part) => tests.lastElementChild.before(part));
  tests.lastElementChild.append(table);

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
    tests.querySelectorAll("th.sortable:not([tabindex]), td.col-result:not([tabindex])").forEach(asButton);
    tests.querySelectorAll(".log:not([tabindex])").forEach((log) => (log.tabIndex = 0));
  };
  reach();
  // Whatever is clicked there, the table is made anew.
  new MutationObserver(reach).observe(tests, { childList: true, subtree: true });

  document.querySelectorAll("a.to-log").forEach((link) =>
    link.addEventListener("click", (event) => {
      event.preventDefault();
      link.closest("[popover]")?.hidePopover();
      tests.open = true;
      const isIts = (cell) => cell.textContent.endsWith(`/${link.dataset.test}`);
      const its = () => [...tests.querySelectorAll("td.col-testId")].find(isIts)?.closest("tbody");
      if (its()?.querySelector(".extras-row.hidden")) its().querySelector("td.col-result").click();
      (its() ?? tests).scrollIntoView({ block: "center" });
    }),
  );
});

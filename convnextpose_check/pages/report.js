// Rotates the skeletons, pages through the worst samples and folds pytest-html's table of tests.
// Without scripts, all skeletons are shown as still pictures.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll(".in-space").forEach(makeRotatable);
  document.querySelectorAll(".worst").forEach(addStepButtons);
  document.querySelectorAll("button.copy").forEach(enableCopying);
  const table = document.getElementById("results-table");
  if (table) foldTestTable(table);
});

function makeRotatable(svg) {
  const paths = [...svg.querySelectorAll("path")].map((path) => [path, JSON.parse(path.dataset.ends)]);
  let [turn, tilt] = [90, 0]; // degrees, the view of the still picture
  const rotate = (right, up) => {
    turn += right;
    tilt = Math.max(-90, Math.min(90, tilt + up));
    const [a, b] = [(turn * Math.PI) / 180, (tilt * Math.PI) / 180];
    const project = ([x, y, z]) => {
      const away = z * Math.cos(a) - x * Math.sin(a);
      return [x * Math.cos(a) + z * Math.sin(a), y * Math.cos(b) - away * Math.sin(b)];
    };
    paths.forEach(([path, ends]) => {
      path.setAttribute("d", ends.map((end, i) => "ML"[i % 2] + project(end).map((n) => n.toFixed(1))).join(""));
    });
  };

  svg.tabIndex = 0;
  svg.ariaLabel += ": rotate with the arrow keys";
  const steps = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, 10], ArrowDown: [0, -10] };
  svg.addEventListener("keydown", (event) => {
    if (!(event.key in steps)) return;
    event.preventDefault();
    rotate(...steps[event.key]);
  });

  let last = null; // movementX has another unit on some systems
  svg.addEventListener("pointerdown", (event) => {
    last = event;
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    if (!svg.hasPointerCapture(event.pointerId)) return;
    rotate(event.clientX - last.clientX, event.clientY - last.clientY);
    last = event;
  });
}

function enableCopying(button) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const quote = button.previousElementSibling;
    getSelection().selectAllChildren(quote); // remains if the browser refuses to copy
    await navigator.clipboard.writeText(quote.textContent);
    button.textContent = "Copied";
  });
}

function addStepButtons(worst) {
  const figures = [...worst.querySelectorAll("figure")];
  const bar = document.createElement("div");
  bar.className = "steps";
  bar.innerHTML = '<button type="button">\u2039 Worse</button> <output></output> <button type="button">Better \u203a</button>';
  const [worse, , better] = bar.children;
  let shown = 0;
  const show = (by) => {
    shown = Math.max(0, Math.min(figures.length - 1, shown + by));
    figures.forEach((figure, index) => (figure.hidden = index !== shown));
    bar.querySelector("output").textContent = `${shown + 1} of the ${figures.length} worst`;
    // aria-disabled keeps the keyboard focus, which disabled would lose.
    worse.ariaDisabled = shown === 0;
    better.ariaDisabled = shown === figures.length - 1;
  };
  worse.addEventListener("click", () => show(-1));
  better.addEventListener("click", () => show(1));
  worst.classList.add("stepped");
  worst.append(bar);
  show(0);
}

function foldTestTable(table) {
  const tests = document.createElement("details");
  tests.id = "all-tests";
  tests.innerHTML = '<summary>All tests and their logs</summary><div class="scroll" role="region" aria-label="All tests" tabindex="0"></div>';
  table.before(tests);
  document.querySelectorAll(".run-count, p.filter, .controls").forEach((part) => tests.lastElementChild.before(part));
  tests.lastElementChild.append(table);

  const makeKeyboardAccessible = () => {
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
  makeKeyboardAccessible();
  // pytest-html rebuilds the table on each click.
  new MutationObserver(makeKeyboardAccessible).observe(tests, { childList: true, subtree: true });
}

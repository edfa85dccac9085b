// Turns the skeletons: by dragging, with the arrow keys and a slider; steps through the worst samples.
document.addEventListener("DOMContentLoaded", () => {
  const add = (parent, tag, properties) => parent.appendChild(Object.assign(document.createElement(tag), properties));

  document.querySelectorAll("svg.space").forEach((svg) => {
    const { parts, radius, side } = JSON.parse(svg.dataset.pose);
    let [turn, tilt] = [Number(svg.dataset.turn), Number(svg.dataset.tilt)];
    const placed = ([x, y, z]) => {
      const [a, b] = [(turn * Math.PI) / 180, (tilt * Math.PI) / 180];
      const away = -x * Math.sin(a) + z * Math.cos(a);
      return [x * Math.cos(a) + z * Math.sin(a), y * Math.cos(b) - away * Math.sin(b)].map(
        (value) => ((value / radius + 1) * side) / 2,
      );
    };
    const line = ([start, end]) => `M${placed(start)}L${placed(end)}`;
    const elements = [...svg.querySelectorAll("[data-part]")];
    const label = add(svg.closest("figure").querySelector(".turns"), "label", { textContent: "Turn " });
    const slider = add(label, "input", { type: "range", min: -180, max: 180, step: 5, value: turn });
    const draw = () => {
      slider.value = turn;
      elements.forEach((element) => {
        const points = parts[element.dataset.part];
        if (element.tagName === "circle") {
          const [x, y] = placed(points);
          element.setAttribute("cx", x);
          element.setAttribute("cy", y);
        } else element.setAttribute("d", points.map(line).join(""));
      });
    };
    const move = (by, up) => {
      turn = ((turn + by + 540) % 360) - 180;
      tilt = Math.max(-85, Math.min(85, tilt + up));
      draw();
    };
    slider.addEventListener("input", () => {
      turn = Number(slider.value);
      draw();
    });
    svg.tabIndex = 0;
    svg.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, 5], ArrowDown: [0, -5] }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      move(...by);
    });
    svg.addEventListener("pointerdown", (event) => svg.setPointerCapture(event.pointerId));
    svg.addEventListener("pointermove", (event) => {
      if (svg.hasPointerCapture(event.pointerId)) move(event.movementX / 2, event.movementY / 2);
    });
  });

  document.querySelectorAll(".worst").forEach((worst) => {
    const figures = [...worst.querySelectorAll("figure")];
    if (figures.length < 2) return;
    const steps = add(worst, "div", { className: "steps" });
    let at = 0;
    const buttons = [["Worse", -1], ["Less bad", 1]].map(([textContent, by]) => {
      const button = add(steps, "button", { type: "button", textContent });
      button.addEventListener("click", () => show(at + by));
      return button;
    });
    const said = add(steps, "output", {});
    const show = (place) => {
      at = Math.max(0, Math.min(figures.length - 1, place));
      figures.forEach((figure, number) => (figure.hidden = number !== at));
      said.textContent = `${at + 1} of the ${figures.length} worst`;
      // aria-disabled and not disabled: the focus stays.
      buttons[0].setAttribute("aria-disabled", at === 0);
      buttons[1].setAttribute("aria-disabled", at === figures.length - 1);
    };
    show(0);
  });
});
